"""Defines an export target: how a network becomes a file, how the file runs, and how far it may differ from torch."""

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
"""A function that runs an exported file. It takes (1, 3, H, W) in [0, 1] and returns (1, 3, scale * H, scale * W)."""

EXAMPLE_SIZE = (24, 32)
"""Height and width of the image with which a network is traced. The exported file accepts other sizes too."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to export, and the images for its calibration."""

    network: nn.Module
    """The deployed network: in float32 on the CPU, in evaluation mode, with its norms folded."""
    calibration: Sequence[NDArray[np.uint8]]
    """Low-resolution images (h, w, 3) of the training split. Only targets that quantise need them."""

    def program(self) -> torch.export.ExportedProgram:
        """Returns the traced network, which accepts images of any height and width."""
        example = torch.rand((1, 3, *EXAMPLE_SIZE), generator=torch.Generator().manual_seed(0))
        free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
        with _every_size():
            return torch.export.export(self.network, (example,), dynamic_shapes=(free,))


@dataclass(frozen=True, kw_only=True)
class Target:
    """One file format to which networks can be exported."""

    name: str
    """The name of the target as a value of `srsweep export --to`."""
    suffix: str
    """End of the file name, such as '.onnx'. The part before it names the network."""
    description: str
    """The format, its version and its precision, as the model card states them."""
    runtime: str
    """The program that runs the file, as a latency names it, such as 'onnxruntime'."""
    dtype: str
    """The precision of the file, as a latency names it: 'float32' or 'int8'."""
    write: Callable[[Job, Path], None]
    """A function that writes the network of a job to a file."""
    load: Callable[[Path, int], Run]
    """A function that takes a file and a number of threads, and returns a function that runs the file."""
    largest_difference: float | None
    """Largest allowed difference from torch in any colour value, on a scale from 0 to 1. None allows any difference."""
    largest_loss: float
    """Largest allowed loss of PSNR on the validation split [dB]."""


@contextmanager
def _every_size() -> Iterator[None]:
    """Lets `torch.export` trace without the assumption that no size is 0 or 1, until the end of the `with` block.

    Otherwise the program refuses each image for which one of its maps has a single row or column. Versions of torch
    without this setting trace with the assumption. The smallest size of each file is measured in any case.
    """
    from torch.fx.experimental import _config as config

    if hasattr(config, "backed_size_oblivious"):
        with config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            yield
    else:
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Silences warnings, and the log messages of torch's ONNX exporter, until the end of the `with` block."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
