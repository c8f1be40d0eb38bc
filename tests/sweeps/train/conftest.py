"""Trainings of the tiny network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from sweeps.checkpoints.state import Checkpoints
from sweeps.data.cache import open_cache
from sweeps.data.images import find_images
from sweeps.data.split import DataSplit
from sweeps.train.loop import train
from sweeps.train.settings import TrainSettings
from tests.sweeps.train.tiny import SETTINGS, Tiny, until

Train = Callable[..., tuple[nn.Module, list[Any]]]


@pytest.fixture
def split(tmp_path: Path) -> DataSplit:
    return make_split(tmp_path)


def make_split(folder: Path) -> DataSplit:
    """Three images to train on and one for validation, all in `folder`."""
    rng = np.random.default_rng(0)
    for i in range(4):
        # Smooth, so that there is something to learn.
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((40, 32), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    pairs = open_cache(find_images(folder, 2), name="set", scale=2, cache_dir=folder / "cache")
    return DataSplit(
        train=pairs.subset([0, 1, 2]),
        validation=pairs.subset([3]),
        fingerprint="0",
        description="made up",
    )


@pytest.fixture
def run(split: DataSplit, tmp_path: Path) -> Train:
    """run(seed=..., ...) trains a new network and returns it with the records."""
    return trainer(split, tmp_path)


def trainer(split: DataSplit, folder: Path) -> Train:
    """What the fixture `run` gives: trainings on `split` whose states are in `folder` / run."""

    def trained(
        settings: TrainSettings = SETTINGS,
        *,
        seed: int = 0,
        write: str = "1.pt",
        read: tuple[str, ...] = (),
        until_step: int | None = None,
        stop_at: int | None = None,
        network: nn.Module | None = None,
    ) -> tuple[nn.Module, list[Any]]:
        network = network or Tiny()
        checkpoints = Checkpoints(
            write=folder / "run" / write, read=tuple(folder / "run" / name for name in read)
        )
        ticks = iter(range(1000))
        generator = train(
            network,
            split,
            settings,
            seed=seed,
            checkpoints=checkpoints,
            until_step=until_step,
            clock=lambda: float(next(ticks)),
        )
        return network, list(until(generator, stop_at))

    return trained
