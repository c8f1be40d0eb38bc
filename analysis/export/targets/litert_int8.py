"""Exports a network as a LiteRT file in INT8, with integers as input and output.

Weights have one quantisation scale per output channel. Activations have one per tensor, computed from the values that
the network produces on images of the training split. If the network was trained with simulated rounding, the inputs and
outputs of its convolutions have the ranges that the training has learnt. Quantise the image with the scale and the zero
point of the input tensor. Dequantise the output with the scale and the zero point of the output tensor.
"""

import tempfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.export.images import cut
from analysis.export.learnt import Convolution, learnt_grids, limits
from analysis.export.silence import silent
from analysis.export.target import Job, Target
from analysis.export.targets import litert
from searchspace.errors import UserError

MOST_IMAGES = 16
"""Largest number of images used for calibration. An image of 320x180 pixels has as many pixels as 14 patches of 64x64."""

ORDERS = {3: (0, 3, 1, 2), 4: (3, 0, 1, 2)}
"""The order in which torch has the dimensions of the weights, by LiteRT's code of a convolution (3: CONV_2D, 4:
DEPTHWISE_CONV_2D)."""
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

            interpreter = Interpreter(str(whole))
            ((key, signature),) = interpreter.get_signature_list().items()
            (source,), (name,) = interpreter.get_input_details(), signature["inputs"]
            made = quantizer.Quantizer(str(whole), recipe.static_wi8_ai8())
            ranges = made.calibrate({key: [{name: image} for image in images]}, num_threads=1)
            take_learnt(ranges, whole, job)
            give_range(ranges, source["name"], 0.0, 1.0)
            widen(ranges)
            path.write_bytes(bytes(made.quantize(ranges).quantized_model))


def take_learnt(ranges: Mapping[str, MutableMapping[str, Any]], whole: Path, job: Job) -> None:
    """Replaces the calibrated ranges of inputs and outputs of convolutions by the ranges that were learnt in training.

    `ranges` maps the name of each tensor of the float32 file `whole` to its range. An operator that only moves values,
    such as a transposition, needs equal ranges before and after. Its two tensors are found by their equal calibrated
    ranges.
    """
    for name, grid in learnt_grids(convolutions(whole), job).items():
        give_range(ranges, name, *limits(grid))


def give_range(
    ranges: Mapping[str, MutableMapping[str, Any]], name: str, least: float, most: float
) -> None:
    """Gives the tensor `name`, and the tensors that hold the same values, the range from `least` to `most`.

    The range of the input is [0, 1]: photographs may lack the brightest colours, and the file would darken them.
    """
    calibrated = _ends(ranges[name])
    for each in ranges.values():
        if calibrated is not None and _ends(each) == calibrated:
            each["min"] = np.full_like(each["min"], least)
            each["max"] = np.full_like(each["max"], most)


def _ends(found: Mapping[str, Any]) -> tuple[float, float] | None:
    """Returns the ends of a range. None if it has none, or if both are equal, as for the output of dead units."""
    if "min" not in found or "max" not in found:
        return None
    least, most = float(np.min(found["min"])), float(np.max(found["max"]))
    return (least, most) if least < most else None


def convolutions(whole: Path) -> Iterator[Convolution]:
    """Yields the convolutions of the float32 file `whole` in the order in which they run."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils as file

    model = file.read_model(str(whole))
    tensors = model.subgraphs[0].tensors
    for operator in model.subgraphs[0].operators:
        order = ORDERS.get(model.operatorCodes[operator.opcodeIndex].builtinCode)
        if order is None:
            continue
        source, *constants = (tensors[index] for index in operator.inputs if index >= 0)
        weight, *biases = (file.get_tensor_data(each, model.buffers) for each in constants)
        if weight is not None and weight.dtype == np.float32:
            yield Convolution(
                weight=weight.transpose(order),
                bias=biases[0] if biases else None,
                source=file.get_tensor_name(source),
                result=file.get_tensor_name(tensors[operator.outputs[0]]),
            )


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
    tensors=litert.tensors,
    packages=litert.PACKAGES,
    takes_learnt=True,
)
