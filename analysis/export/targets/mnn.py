"""Exports a network as an MNN file in float32, converted from its ONNX file. MNN is the lightest runtime for phones.

The file accepts images of any height and width. There is no INT8 target for MNN, because the quantiser in the package
MNN 3.6.1 aborts the process (std::length_error). It does so for networks of free size and of fixed size.
"""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.export.silence import silent
from analysis.export.target import Job, Run, Target
from analysis.export.targets import onnx


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`."""
    with silent(), tempfile.TemporaryDirectory() as folder:
        import MNN  # noqa: F401 - the error for a missing package names it, not the converter

        import _tools  # isort: skip

        whole = Path(folder) / "whole.onnx"
        onnx.write(job, whole)
        words = ["-f", "ONNX", "--modelFile", str(whole), "--MNNModel", str(path)]
        _tools.mnnconvert(["mnnconvert", *words, "--bizCode", "srsweep"])


def load(path: Path, threads: int) -> Run:
    """Returns a function that runs the file on the processor with this number of `threads`."""
    with silent():
        import MNN

        interpreter = MNN.Interpreter(str(path))
        # At its normal precision, MNN computes in float16 on processors that can.
        wanted = {"numThread": threads, "backend": "CPU", "precision": "high"}
        session = interpreter.createSession(wanted)
    source = interpreter.getSessionInput(session)

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        image = np.ascontiguousarray(low_res)
        if tuple(source.getShape()) != image.shape:
            with silent():
                interpreter.resizeTensor(source, image.shape)
                interpreter.resizeSession(session)
        kind, layout = MNN.Halide_Type_Float, MNN.Tensor_DimensionType_Caffe
        source.copyFrom(MNN.Tensor(image.shape, kind, image, layout))
        interpreter.runSession(session)
        result = interpreter.getSessionOutput(session)
        shape = result.getShape()
        super_res = np.empty(shape, np.float32)
        host = MNN.Tensor(shape, kind, super_res, layout)
        result.copyToHostTensor(host)
        return np.array(host.getNumpyData()).reshape(shape)

    return run


TARGET = Target(
    name="mnn",
    suffix=".mnn",
    description="MNN, float32",
    runtime="mnn",
    dtype="float32",
    write=write,
    load=load,
    largest_difference=1e-3,
    largest_loss=0.01,
    packages=("MNN",),
)
