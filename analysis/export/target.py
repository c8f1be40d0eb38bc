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

from searchspace.rounding import Learnt

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A function that runs an exported file. It takes (1, 3, H, W) in [0, 1] and returns (1, 3, scale * H, scale * W)."""

INPUT, OUTPUT = "low_res", "super_res"
"""Names of the input and the output, in formats that name them."""
EXAMPLE_SIZE = (24, 32)
"""Height and width of the image with which a network is traced. The exported file accepts other sizes too."""
LARGEST = 256
"""Largest height and width of an image for a file that plans its memory in advance, unless `Job.size` is larger.

The runtime allocates the planned memory when it loads the file. A network of 64 channels at x4 needs 2 GB for images of
512x512 pixels.
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network to export, and the images for its calibration."""

    network: nn.Module
    """The deployed network: in float32 on the CPU, in evaluation mode, with its norms folded."""
    calibration: Sequence[NDArray[np.uint8]]
    """Low-resolution images (h, w, 3) of the training split. Only targets that quantise need them."""
    learnt: Sequence[Learnt] = ()
    """The ranges learnt in training with simulated rounding. Empty if the network was trained without it."""
    size: tuple[int, int] = EXAMPLE_SIZE
    """Height and width of the images for which the file is made. A file of fixed size refuses other sizes."""

    @property
    def largest(self) -> int:
        """Largest height and width that a file with planned memory accepts: LARGEST, or the longer side of `size` if
        that is larger.
        """
        return largest_side(self.size)

    def program(self) -> torch.export.ExportedProgram:
        """Returns the traced network, which accepts images of any height and width."""
        return traced(self.network, EXAMPLE_SIZE, (torch.export.Dim.DYNAMIC,) * 2)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """The input or the output of a file."""

    name: str
    """'' if the runtime finds the tensor by its position."""
    dtype: str = "float32"
    step: float = 0.0
    """For integers: the colour from 0 to 1 is (value - zero) * step. 0 for floating point."""
    zero: int = 0


def named(_: Path) -> tuple[Tensor, Tensor]:
    """Returns the tensors of a file in float32 whose input and output are called INPUT and OUTPUT."""
    return Tensor(name=INPUT), Tensor(name=OUTPUT)


def unnamed(_: Path) -> tuple[Tensor, Tensor]:
    """Returns the tensors of a file in float32 whose runtime finds the input and the output by their position."""
    return Tensor(name=""), Tensor(name="")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One file format to which networks can be exported."""

    name: str
    """The name of the target as a value of `srsweep export --to`."""
    suffix: str
    """End of the file name, such as '.onnx'. The part before it names the network."""
    description: str
    """The format, its version and its precision, as the model card gives them."""
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
    fixed: bool = False
    """Whether the file accepts images of one size only, `Job.size`. The file name then holds the size."""
    input_size: Callable[[Path], tuple[int, int]] | None = None
    """For a file of a fixed size: a function that reads the (height, width) of the images that the file accepts."""
    bounded: bool = False
    """Whether the file accepts heights and widths up to `Job.largest` only."""
    tensors: Callable[[Path], tuple[Tensor, Tensor]] = named
    """A function that returns the input and the output of a file, as an app sees them."""
    packages: tuple[str, ...] = ()
    """Further packages whose versions the model card lists."""
    takes_learnt: bool = False
    """Whether `write` uses the ranges learnt in training with simulated rounding (`Job.learnt`)."""
    fault: Callable[[Path, tuple[int, ...], tuple[int, ...]], str] | None = None
    """A function that checks the structure of a file that this machine cannot run. It takes the file and the shapes of
    the input and the output. It returns what is wrong, or ''."""

    def file_name(self, stem: str, size: tuple[int, int]) -> str:
        """Returns the name of the file of the network `stem` for images of `size` (height, width)."""
        return f"{self._sized(stem, size)}{self.suffix}"

    def card_name(self, stem: str, size: tuple[int, int]) -> str:
        """Returns the name, without suffix, of the model card of the file that `file_name` names."""
        return f"{self._sized(stem, size)}-{self.name}"

    def _sized(self, stem: str, size: tuple[int, int]) -> str:
        return f"{stem}_{size[1]}x{size[0]}" if self.fixed else stem


def largest_side(size: tuple[int, int]) -> int:
    """Returns the largest height and width that a file with planned memory for images of `size` accepts."""
    return max(LARGEST, *size)


def traced(
    network: nn.Module, size: tuple[int, int], free: tuple[object, object] | None = None
) -> torch.export.ExportedProgram:
    """Returns `network`, traced with an image of `size` (height, width).

    `free` holds two dimensions of `torch.export`: the heights and the widths that the program accepts. Without `free`,
    the program accepts images of `size` only.
    """
    example = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(0))
    shapes = ({2: free[0], 3: free[1]},) if free else None
    with _every_size():
        return torch.export.export(network, (example,), dynamic_shapes=shapes)


@contextmanager
def _every_size() -> Iterator[None]:
    """Lets `torch.export` trace without the assumption that no size is 0 or 1, until the end of the `with` block.

    With the assumption, the program refuses every image for which one of its maps has a single row or column. Versions
    of torch without this setting keep the assumption. This is safe, because the smallest size of each file is measured.
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
