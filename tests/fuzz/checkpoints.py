"""Checkpoints: those of a training of ours, and state dicts as authors publish them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.fuzz.checkpoint_changes import DAMAGED, mutate

__all__ = ["bases", "mutate", "reader", "upstream_bases", "upstream_reader"]

CASES = (0, 4, 7, 9, 10, 12, 15)
"""The published networks that are tried, by their places in the table of the doubles."""


def bases(folder: Path) -> list[Path]:
    """The states of a training before its end and at its end."""
    from tests.sweeps.train.tiny import SETTINGS

    made = folder / "ours"
    if not made.is_dir():
        made.mkdir(parents=True)
        for step in (4, SETTINGS.steps):
            _trained(folder, made / f"step-{step}.pt", (), step)
    return sorted(made.iterdir())


def upstream_bases(folder: Path) -> list[Path]:
    """State dicts of published networks with random weights, wrapped as in public repositories."""
    from tests.sweeps.checkpoints.test_upstream_doubles import CASES as DOUBLES

    made = folder / "upstream"
    if not made.is_dir():
        made.mkdir(parents=True)
        torch.manual_seed(0)
        for number in CASES:
            plain = DOUBLES[number][0]().state_dict()
            prefixed = {f"module.{name}": tensor for name, tensor in plain.items()}
            wrapped = [
                plain,
                prefixed,
                {"params_ema": plain, "params": plain},
                {"epoch": 3, "state_dict": prefixed, "best_psnr": 31.2, "arch": "EDSR"},
                {"model": plain, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}},
            ]
            torch.save(wrapped[number % 5], made / f"{number}.pth")
    return sorted(made.iterdir())


def reader(folder: Path) -> Callable[[Path], None]:
    """Resumes a training from a file, and takes its weights, as `evaluate --weights` does.

    A file with damaged bytes must be passed over or give the stored weights and history.
    """
    from sweeps.checkpoints import state
    from sweeps.checkpoints.upstream_weights import load_weights
    from tests.sweeps.train.tiny import Tiny

    fresh, _ = _trained(folder, None, (), 0)
    stored = {path.stem: _trained(folder, None, (path,), 0) for path in bases(folder)}

    def read(path: Path) -> None:
        state.read_checkpoint(path)
        got = _trained(folder, None, (path,), 0)
        base = path.stem.removeprefix(DAMAGED)
        taken = _same(got[0], stored[base][0])
        if path.stem.startswith(DAMAGED):
            assert taken or _same(got[0], fresh), "resumes from damaged weights"
            assert not taken or got[1] in (stored[base][1], []), "resumes with a damaged history"
        # As every command does before it takes the weights of a training of ours.
        getattr(state, "refuse_damaged", lambda path: None)(path)
        network = Tiny()
        load_weights(network, path)
        if path.stem.startswith(DAMAGED):
            assert _same(network, stored[base][0]), "takes damaged weights"

    return read


def upstream_reader(folder: Path) -> Callable[[Path], None]:
    """Takes the weights of a file for the network that the file was made for."""
    from searchspace.architecture import architecture
    from sweeps.checkpoints.upstream_weights import load_weights
    from tests.sweeps.checkpoints.test_upstream_doubles import CASES as DOUBLES

    def read(path: Path) -> None:
        _, _, family, knobs, scale = DOUBLES[int(path.stem.removeprefix(DAMAGED))]
        load_weights(architecture(family, knobs).network(scale), path)

    return read


def _trained(
    folder: Path, write: Path | None, read: tuple[Path, ...], until: int
) -> tuple[nn.Module, list[Any]]:
    """Trains the tiny network to a step, or resumes it and trains no further. Returns it and its history."""
    from sweeps.checkpoints.state import Checkpoints, Training
    from sweeps.train.loop import train
    from tests.sweeps.train.tiny import SETTINGS, Tiny

    split = _split(folder)
    checkpoints = Checkpoints(
        write=write or folder / "never-written.pt",
        read=read,
        training=Training(
            architecture="0123456789abcdef",
            scale=2,
            seed=0,
            settings=SETTINGS,
            images=split.fingerprint,
        ),
        computed="1 thread, float32",
    )
    network = Tiny()
    records = train(network, split, SETTINGS, seed=0, checkpoints=checkpoints, until_step=until)
    return network, [record for record in records if record.step > 0]


def _split(folder: Path) -> Any:
    from PIL import Image

    from sweeps.data.cache import open_cache
    from sweeps.data.images import find_images
    from sweeps.data.split import DataSplit

    pictures = folder / "training"
    if not pictures.is_dir():
        pictures.mkdir(parents=True)
        noise = np.random.default_rng(0).integers(0, 256, (4, 32, 40, 3), dtype=np.uint8)
        for i in range(4):
            Image.fromarray(noise[i]).save(pictures / f"{i}.png")
    sources = find_images(pictures, 2)
    pairs = open_cache(sources, name="set", scale=2, cache_dir=folder / "cache-of-training")
    train, validation = pairs.subset([0, 1, 2]), pairs.subset([3])
    return DataSplit(train=train, validation=validation, fingerprint="0", description="noise")


def _same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)
