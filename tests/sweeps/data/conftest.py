"""Small made-up image sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeSet = Callable[..., Path]
Write = Callable[..., None]

NAMES = ("0001", "0002", "0003")


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


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write('S/HR/{}.png') writes 3 images of 16x8 random pixels; with `side=1/4` they are black and 4x2 pixels."""

    def write_images(pattern: str, names: tuple[str, ...] = NAMES, side: float = 1) -> None:
        for i, name in enumerate(names):
            path = tmp_path / pattern.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            width, height = int(16 * side), int(8 * side)
            pixels = np.random.default_rng(i).integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(pixels if side == 1 else 0 * pixels).save(path)

    return write_images
