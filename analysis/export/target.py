"""What an export target is: how a deployed network is written, and how the file is run again."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, 3, H, W) in [0, 1] -> (1, 3, sH, sW)."""

EXAMPLE_SIZE = (24, 32)
"""Height and width of the image that a network is traced with; both stay free in the file."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to be exported."""

    network: nn.Module
    """As shipped: evaluation mode, norms folded, on the CPU, float32."""
    calibration: Sequence[NDArray[np.uint8]]
    """Low-resolution images (h, w, 3) of the training split, for targets that quantise."""

    def program(self) -> torch.export.ExportedProgram:
        """The network traced, its height and width free."""
        example = torch.rand((1, 3, *EXAMPLE_SIZE), generator=torch.Generator().manual_seed(0))
        free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
        return torch.export.export(self.network, (example,), dynamic_shapes=(free,))


@dataclass(frozen=True, kw_only=True)
class Target:
    """One file format."""

    name: str
    suffix: str
    """Of the file's name, after the variant's."""
    description: str
    """For the model card: format, versions, precision."""
    runtime: str
    """Whose latency is measured: 'onnxruntime' or 'torch'."""
    dtype: str
    """'float32' or 'int8', for the names of measurements."""
    write: Callable[[Job, Path], None]
    load: Callable[[Path, int], Run]
    """(file, threads) -> a function that runs it."""
    largest_difference: float | None
    """From torch on any pixel, colours in [0, 1]; None for a format that rounds on purpose."""
    largest_loss: float
    """PSNR that may be lost on the validation split [dB]."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's remarks about packages that it could also have used."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
