"""Exports a network as a LiteRT file (.tflite) in float32, for Android and other devices.

A file accepts images of one size only, and the size is part of the file name. The converter refuses dynamic heights and
widths.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.programs import plain_program
from analysis.export.silence import silent
from analysis.export.target import Job, Run, Target, Tensor

PACKAGES = ("litert-torch", "ai-edge-litert", "ai-edge-quantizer")
"""The packages whose versions a model card lists."""


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`, for images of `job.size`."""
    with silent():
        import litert_torch

        program = plain_program(job, fixed=True)
        example = torch.rand((1, 3, *job.size), generator=torch.Generator().manual_seed(0))
        module = program.module(check_guards=False)
        litert_torch.convert(module, (example,)).export(str(path))


def load(path: Path, threads: int) -> Run:
    """Returns a function that runs the file with this number of `threads`.

    If the input and the output of the file are integers, the function quantises the image and dequantises the output.
    """
    with silent():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(source["index"], _quantised(low_res, source))
        interpreter.invoke()
        return _colours(interpreter.get_tensor(result["index"]), result)

    return run


def input_size(path: Path) -> tuple[int, int]:
    """Returns the (height, width) of the images that the file accepts. Raises ValueError if it does not take RGB images."""
    with silent():
        from ai_edge_litert.interpreter import Interpreter

        (source,) = Interpreter(str(path)).get_input_details()
    shape = tuple(map(int, source["shape"]))
    if len(shape) != 4 or shape[:2] != (1, 3):
        raise ValueError(f"the input must have the shape (1, 3, H, W), got {shape}")
    return shape[2], shape[3]


def tensors(path: Path) -> tuple[Tensor, Tensor]:
    """Returns the input and the output of the file, as its signature and its quantisation describe them."""
    with silent():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
        ((_, signature),) = interpreter.get_signature_list().items()
        (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    (given,), (made,) = signature["inputs"], signature["outputs"]
    return _tensor(given, source), _tensor(made, result)


def _tensor(name: str, detail: dict[str, Any]) -> Tensor:
    step, zero = detail["quantization"]
    kind = np.dtype(detail["dtype"]).name
    return Tensor(name=name, dtype=kind, step=float(step), zero=int(zero))


def _quantised(colours: NDArray[np.float32], source: dict[str, Any]) -> NDArray[np.generic]:
    scale, zero = source["quantization"]
    kind = np.dtype(source["dtype"])
    if not scale:
        return np.ascontiguousarray(colours, dtype=kind)
    limits = np.iinfo(kind)
    return np.clip(np.round(colours / scale) + zero, limits.min, limits.max).astype(kind)


def _colours(values: NDArray[np.generic], result: dict[str, Any]) -> NDArray[np.float32]:
    scale, zero = result["quantization"]
    if not scale:
        return values.astype(np.float32, copy=False)
    colours = np.subtract(values, np.float32(zero), dtype=np.float32)
    return np.multiply(colours, np.float32(scale), out=colours)


TARGET = Target(
    name="litert",
    suffix=".tflite",
    description="LiteRT, float32",
    runtime="litert",
    dtype="float32",
    write=write,
    load=load,
    largest_difference=1e-4,
    largest_loss=0.01,
    fixed=True,
    input_size=input_size,
    tensors=tensors,
    packages=PACKAGES,
)
