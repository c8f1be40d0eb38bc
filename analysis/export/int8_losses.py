"""Compares two ways to make INT8 files: quantisation after training, and training with simulated rounding."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from analysis.export.pipeline import in_one_line, write_unverified
from analysis.export.target import Target
from analysis.export.verify import file_psnr, torch_psnr
from searchspace.layers import deployed
from sweeps.data.split import DataSplit


@dataclass(frozen=True, kw_only=True)
class Losses:
    """PSNR on the validation images [dB] of one network: in float32, and as INT8 files of one target."""

    float32: float
    """PSNR of the weights before any rounding, in torch. In tiles if the files do not take the images whole."""
    post_training: float
    """PSNR of the INT8 file made from these weights."""
    aware: float | None = None
    """PSNR of the INT8 file after training with simulated rounding. None if there was no such training."""

    def row(self) -> dict[str, float | None]:
        """Returns a table row: column name -> value. A loss is the PSNR in float32 minus the PSNR of the file."""
        after = self.aware
        return {
            "float32": self.float32,
            "post_training": self.post_training,
            "lost": self.float32 - self.post_training,
            "aware": after,
            "aware_lost": None if after is None else self.float32 - after,
            "gain": None if after is None else after - self.post_training,
        }


def losses(
    before: nn.Module,
    after: nn.Module | None,
    target: Target,
    split: DataSplit,
    *,
    size: tuple[int, int],
) -> Losses:
    """Returns the PSNR of the network `before`, and of the INT8 files of `before` and `after`.

    `after` was trained with simulated rounding from the weights of `before`. `size` is the (height, width) for which a
    file of fixed size is written. Raises ExportFailed if a file cannot be written.
    """
    return Losses(
        float32=torch_psnr(target, before, split.validation, size),
        post_training=_psnr(before, target, split, size),
        aware=None if after is None else _psnr(after, target, split, size),
    )


def _psnr(network: nn.Module, target: Target, split: DataSplit, size: tuple[int, int]) -> float:
    plain = deployed(network).cpu().float()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.file_name("network", size)
        write_unverified(plain, target, path, split, size)
        with in_one_line(target):
            return file_psnr(target, target.load(path, 1), split.validation, size)
