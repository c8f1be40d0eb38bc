"""Defines an export target: how a network becomes a file, how the file runs, and how far it may differ."""

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
"""Runs an exported file: takes (1, 3, H, W) in [0, 1], returns (1, 3, scale * H, scale * W)."""

EXAMPLE_SIZE = (24, 32)
"""Height and width of the image with which a network is traced. Both stay free in the file."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to export, with images for calibration."""

    network: nn.Module
    """The deployed network: in evaluation mode, norms folded, on the CPU, float32."""
    calibration: Sequence[NDArray[np.uint8]]
    """Low-resolution images (h, w, 3) of the training split, for targets that quantise."""

    def program(self) -> torch.export.ExportedProgram:
        """The traced network, with free height and width."""
        example = torch.rand((1, 3, *EXAMPLE_SIZE), generator=torch.Generator().manual_seed(0))
        free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
        return torch.export.export(self.network, (example,), dynamic_shapes=(free,))


@dataclass(frozen=True, kw_only=True)
class Target:
    """One file format."""

    name: str
    """The name given to `--to`."""
    suffix: str
    """End of the file's name, after the name of the variant."""
    description: str
    """Format, versions and precision, for the model card."""
    runtime: str
    """The runtime named in a measured latency, such as 'onnxruntime'."""
    dtype: str
    """The precision named in a measured latency: 'float32' or 'int8'."""
    write: Callable[[Job, Path], None]
    """Writes the network of a job to a file."""
    load: Callable[[Path, int], Run]
    """Takes a file and a number of threads, and returns a function that runs the file."""
    largest_difference: float | None
    """Largest allowed difference from torch on any pixel, for colours in [0, 1]; None if the format quantises."""
    largest_loss: float
    """Largest allowed loss of PSNR on the validation split [dB]."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter's warnings and its log messages about optional packages."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
