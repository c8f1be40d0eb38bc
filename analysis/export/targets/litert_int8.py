"""Exports a network as a LiteRT file in INT8, with integers as input and output.

Weights have one quantisation scale per output channel. Activations have one per tensor, computed from the values that
the network produces on images of the training split. Quantise the image with the scale and the zero point of the input
tensor. Dequantise the output with the scale and the zero point of the output tensor.
"""

import tempfile
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.export.images import cut
from analysis.export.silence import silent
from analysis.export.target import Job, Target
from analysis.export.targets import litert
from searchspace.errors import UserError

MOST_IMAGES = 16
"""Largest number of images used for calibration. An image of 320x180 pixels has as many pixels as 14 patches of 64x64."""

NARROWEST = 1e-3
"""Minimum width of the range of a quantised tensor: its largest minus its smallest value."""


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`, for images of `job.size`. Raises UserError without images for calibration."""
    images = calibration_images(job.calibration, job.size)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.tflite"
        litert.write(job, whole)
        with silent():
            from ai_edge_litert.interpreter import Interpreter
            from ai_edge_quantizer import quantizer, recipe

            ((key, signature),) = Interpreter(str(whole)).get_signature_list().items()
            (name,) = signature["inputs"]
            made = quantizer.Quantizer(str(whole), recipe.static_wi8_ai8())
            ranges = made.calibrate({key: [{name: image} for image in images]}, num_threads=1)
            widen(ranges)
            path.write_bytes(bytes(made.quantize(ranges).quantized_model))


def widen(ranges: Mapping[str, MutableMapping[str, Any]]) -> None:
    """Widens every range that is narrower than NARROWEST. `ranges` maps the name of each tensor to its range.

    The output of dead units is always 0. Without widening, the scale would be 0, and LiteRT's runtime would abort the
    process.
    """
    for found in ranges.values():
        if "min" in found and "max" in found:
            found["max"] = np.maximum(found["max"], found["min"] + np.float32(NARROWEST))


def calibration_images(
    images: Sequence[NDArray[np.uint8]], size: tuple[int, int]
) -> list[NDArray[np.float32]]:
    """Returns at most MOST_IMAGES images (1, 3, h, w) in [0, 1].

    They are cut or tiled from `images` (H, W, 3) to `size` (h, w). Raises UserError if there are no images.
    """
    if not images:
        raise UserError("calibration: INT8 needs images of the training split, got none")
    chosen = np.linspace(0, len(images) - 1, min(MOST_IMAGES, len(images))).round().astype(int)
    return [cut(images[i], size) for i in chosen]


TARGET = Target(
    name="litert-int8",
    suffix="_int8.tflite",
    description="LiteRT, full INT8 (static)",
    runtime="litert",
    dtype="int8",
    write=write,
    load=litert.load,
    largest_difference=None,
    largest_loss=0.5,
    fixed=True,
    input_size=litert.input_size,
    packages=litert.PACKAGES,
)
