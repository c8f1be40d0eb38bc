"""Turns a trained network into a verified file: writes the file to a temporary folder, checks it, and moves it to the
output folder.
"""

import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from analysis.export.model_card import Origin, card, write_card
from analysis.export.target import Job, Target
from analysis.export.verify import ExportFailed, Verdict, verify
from searchspace.architecture import Architecture
from searchspace.cost import low_res_size
from searchspace.errors import UserError, cut
from searchspace.layers import deployed
from searchspace.rounding import Learnt, Rounded
from sweeps.data.cache import PairSet
from sweeps.data.split import DataSplit
from sweeps.files import flush, naming_full_disk

CALIBRATION_IMAGES = 64
"""Largest number of training images that a target may use for calibration."""


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """One exported file that passed its check."""

    target: Target
    file: Path
    verdict: Verdict


def naming(architecture: Architecture, scale: int) -> str:
    """Returns the stem of the names of a network's files: the part without image size and suffix."""
    return f"{architecture.family.name}-{architecture.key[:8]}_x{scale}"


def ship(
    architecture: Architecture,
    network: nn.Module,
    target: Target,
    folder: Path,
    *,
    scale: int,
    split: DataSplit,
    psnr_torch: float,
    origin: Origin,
    threads: int,
    size: tuple[int, int] | None = None,
) -> Shipped:
    """Exports the trained `network` to a file in `folder`, checks the file, and writes its model card beside it.

    `network` may be in training or in evaluation mode, and stays unchanged. `psnr_torch` is its PSNR on the validation
    split in torch [dB]. The latency is measured for an image of `size` (height, width), which is also the only size
    that a file of fixed size accepts. By default, the upscaled image has about 1280x720 pixels.

    If the file fails its check, raises ExportFailed and deletes the files with the same names in `folder`, so that no
    older file is mistaken for the result. If the file cannot be written, raises OSError, which names the file. Older
    files then stay.
    """
    stem = naming(architecture, scale)
    size = size or low_res_size(scale)
    file_name = target.file_name(stem, size)
    card_name = target.card_name(stem, size)
    folder.mkdir(parents=True, exist_ok=True)
    plain = deployed(network).cpu().float()
    with tempfile.TemporaryDirectory(prefix=".unverified-", dir=folder) as aside:
        path = Path(aside) / file_name
        try:
            with naming_full_disk(folder / file_name):
                write_unverified(plain, target, path, split, size)
            with in_one_line(target):
                verdict = verify(
                    target,
                    path,
                    plain,
                    split.validation,
                    psnr_torch=psnr_torch,
                    bicubic=origin.bicubic,
                    latency_size=size,
                    threads=threads,
                )
        except ExportFailed:
            for name in (file_name, f"{card_name}.json", f"{card_name}.md"):
                (folder / name).unlink(missing_ok=True)
            raise
        content: dict[str, Any] = card(architecture, scale, origin, target, path, verdict)
        with naming_full_disk(folder / f"{card_name}.json"):
            made = write_card(content, Path(aside), card_name)
        for each in (*made, path):
            each.replace(folder / each.name)
    return Shipped(target=target, file=folder / file_name, verdict=verdict)


def write_unverified(
    plain: nn.Module, target: Target, path: Path, split: DataSplit, size: tuple[int, int]
) -> None:
    """Writes the deployed network `plain` to `path` without checking the file. `size` is as in `ship`.

    Raises ExportFailed if the target cannot write this network.
    """
    network, learnt = _to_write(plain, target)
    with in_one_line(target):
        images = training_images(split.train)
        target.write(Job(network=network, calibration=images, learnt=learnt, size=size), path)
        flush(path)


def _to_write(network: nn.Module, target: Target) -> tuple[nn.Module, Sequence[Learnt]]:
    """Returns the network that a target writes, and the ranges that it learnt during training.

    Raises ExportFailed if the network was trained with simulated rounding and the target cannot use the ranges.
    """
    if not isinstance(network, Rounded):
        return network, ()
    if not target.takes_learnt:
        raise ExportFailed(
            f"export: {target.name} cannot use the ranges of a training with simulated rounding; choose --to int8, "
            "litert-int8 or executorch-int8, or export the weights that the training started from"
        )
    return network.without_rounding(), network.learnt()


@contextmanager
def in_one_line(target: Target) -> Iterator[None]:
    """Turns errors of a phone's converter or runtime into ExportFailed.

    Only the authors of that library can fix such an error, so its traceback would not help. Errors of other targets
    keep their traceback.
    """
    try:
        yield
    except (UserError, OSError, ModuleNotFoundError, ExportFailed):
        raise
    except Exception as error:
        if not target.packages:
            raise
        raise ExportFailed(f"export: {target.name}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Returns the type and the first line of the error that originally caused `error`.

    If that error has no message, the name of the function that raised it takes the place of the line.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if not first:
        frames = traceback.extract_tb(error.__traceback__)
        first = f"in {frames[-1].name}" if frames else ""
    return cut(f"{type(error).__name__}: {first}".removesuffix(": "))


def training_images(pairs: PairSet) -> Sequence[NDArray[np.uint8]]:
    """Returns at most CALIBRATION_IMAGES low-resolution images (h, w, 3), spread evenly over the `pairs`."""
    indices = np.linspace(0, len(pairs) - 1, min(CALIBRATION_IMAGES, len(pairs))).round()
    return [pairs.low_res(int(i)) for i in indices]
