"""Exports a network as ONNX with its convolutions in INT8, quantised statically by onnxruntime.

Weights have one quantisation scale per output channel. Activations have one per tensor, computed from the values that
the network produces on images of the training split. Only convolutions and matrix products are quantised. Sums and the
image itself stay in float32, so that residuals as small as a hundredth of a grey level are preserved.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.export.learnt import Convolution, learnt_grids
from analysis.export.target import INPUT, Job, Target, quiet
from analysis.export.targets import onnx
from searchspace.errors import UserError

PATCH = 64
"""Height and width of a calibration patch, in low-resolution pixels."""
MOST_PATCHES = 32
"""Largest number of patches used for calibration."""
QUANTISED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Names of the ONNX operators that are quantised."""


def write(job: Job, path: Path) -> None:
    """Writes the network to `path` as ONNX, with quantise and dequantise operators around its convolutions.

    Raises UserError if the job has no images for calibration.
    """
    import onnxruntime.quantization as quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    patches = calibration_patches(job.calibration)
    with tempfile.TemporaryDirectory() as folder, quiet():
        whole, prepared = Path(folder) / "whole.onnx", Path(folder) / "prepared.onnx"
        onnx.write(job, whole)
        # The optimisation merges factors into convolutions, whose outputs then leave the ranges of the training.
        kept = bool(job.learnt)
        quant_pre_process(
            str(whole), str(prepared), skip_symbolic_shape=True, skip_optimization=kept
        )
        ranges = learnt_ranges(prepared, job)
        unshare(prepared)
        quantization.quantize_static(
            str(prepared),
            str(path),
            _Reader(patches),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={"TensorQuantOverrides": ranges},
        )


def learnt_ranges(path: Path, job: Job) -> dict[str, list[dict[str, object]]]:
    """Returns the learnt scales and zero points of tensors in the float32 file `path`, by tensor name, as onnxruntime
    takes them.

    The tensors are the inputs and outputs of convolutions whose ranges were learnt in training with simulated rounding.
    All other tensors are calibrated. The grid of an output may belong to a ReLU after the convolution. Both have the same
    grid on all values that the ReLU passes. Raises ValueError if the file lacks a convolution.
    """
    return {
        name: [
            {
                "quant_type": _unsigned(),
                "scale": np.array(grid.scale, np.float32),
                "zero_point": np.array(grid.zero_point, np.uint8),
            }
        ]
        for name, grid in learnt_grids(convolutions(path), job, all_of_them=True).items()
    }


def convolutions(path: Path) -> Iterator[Convolution]:
    """Yields the convolutions of the float32 file `path` in the order in which they run."""
    import onnx as onnx_file

    graph = onnx_file.load(str(path)).graph
    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type in QUANTISED and node.input[1] in constants:
            weight, *bias = (
                onnx_file.numpy_helper.to_array(constants[name]) for name in node.input[1:]
            )
            yield Convolution(
                weight=weight,
                bias=bias[0] if bias else None,
                source=node.input[0],
                result=node.output[0],
            )


def unshare(path: Path) -> None:
    """Gives each operator of the file `path` constants of its own.

    A recursive network, such as DRRN, runs one convolution several times. With the exact sums that `onnx.load` asks for,
    onnxruntime replaces the signed weights of each convolution by unsigned ones on x86 processors without VNNI. It
    rejects a file in which two convolutions share their weights.
    """
    import onnx as onnx_file

    model = onnx_file.load(str(path))
    constants = {each.name: each for each in model.graph.initializer}
    used: dict[str, int] = {}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name not in constants:
                continue
            used[name] = used.get(name, 0) + 1
            if used[name] > 1:
                copied = model.graph.initializer.add()
                copied.CopyFrom(constants[name])
                copied.name = node.input[place] = f"{name}.{used[name]}"
    onnx_file.save(model, str(path))


def _unsigned() -> object:
    import onnxruntime.quantization as quantization

    return quantization.QuantType.QUInt8


def calibration_patches(images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    """Returns at most MOST_PATCHES patches (1, 3, h, w) in [0, 1], spread evenly over the images (H, W, 3).

    h and w are PATCH, or the side of the image if that is smaller. Raises UserError if there are no images.
    """
    corners = [
        (image, top, left)
        for image in images
        for top in range(0, max(1, image.shape[0] - PATCH + 1), PATCH)
        for left in range(0, max(1, image.shape[1] - PATCH + 1), PATCH)
    ]
    if not corners:
        raise UserError("calibration: INT8 needs images of the training split, got none")
    chosen = np.linspace(0, len(corners) - 1, min(MOST_PATCHES, len(corners))).round().astype(int)
    patches = []
    for index in chosen:
        image, top, left = corners[index]
        patch = image[top : top + PATCH, left : left + PATCH].transpose(2, 0, 1)[None]
        patches.append(np.ascontiguousarray(patch, dtype=np.float32) / np.float32(255))
    return patches


class _Reader:
    """Passes the calibration patches to onnxruntime one by one."""

    def __init__(self, patches: list[NDArray[np.float32]]) -> None:
        self.patches: Iterator[NDArray[np.float32]] = iter(patches)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        patch = next(self.patches, None)
        return None if patch is None else {INPUT: patch}


TARGET = Target(
    name="int8",
    suffix="_int8.onnx",
    description=f"ONNX, opset {onnx.OPSET}, convolutions in INT8 (QDQ), sums in float32",
    runtime="onnxruntime",
    dtype="int8",
    write=write,
    load=onnx.load,
    largest_difference=None,
    largest_loss=0.5,
    takes_learnt=True,
)
