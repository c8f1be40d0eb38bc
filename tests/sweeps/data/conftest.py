"""Small made-up image sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeSet = Callable[..., Path]


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """make_set('A', ('one', 'two'), size=(40, 30)) writes random PNGs, each name with its own pixels."""

    def make(
        folder: str, names: tuple[str, ...], size: tuple[int, int] = (40, 30), seed: int = 0
    ) -> Path:
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        for i, name in enumerate(names):
            rng = np.random.default_rng((seed, i, *folder.encode()))
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(target / f"{name}.png")
        return target

    return make
