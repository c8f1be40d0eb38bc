"""Exports a network as ONNX in float32, for onnxruntime and other programs that read ONNX."""

from pathlib import Path

import torch

from analysis.export.target import INPUT, OUTPUT, Job, Run, Target, quiet

OPSET = 18
"""Version of the ONNX operator set in the file. onnxruntime 1.14 and later can run it."""


def write(job: Job, path: Path) -> None:
    """Writes the network to `path` as ONNX. The file accepts images of any height and width."""
    with quiet():
        exported = torch.onnx.export(
            job.program(),
            (),
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    assert exported is not None
    _name_sizes(exported.model)
    exported.save(str(path), external_data=False)


def _name_sizes(model: object) -> None:
    """Renames the symbolic sizes in the shapes of the input and the output to 'height' and 'width'."""
    import onnx_ir

    assert isinstance(model, onnx_ir.Model)
    given = model.graph.inputs[0]
    assert given.shape is not None
    names = {str(given.shape[2]): "height", str(given.shape[3]): "width"}
    for value in (given, *model.graph.outputs):
        assert value.shape is not None
        sizes = [str(size) if not isinstance(size, int) else size for size in value.shape]
        for old, new in names.items():
            sizes = [s.replace(old, new) if isinstance(s, str) else s for s in sizes]
        value.shape = onnx_ir.Shape(sizes)


def load(path: Path, threads: int) -> Run:
    """Returns a function that runs the file with onnxruntime on the CPU, with this number of `threads`."""
    import onnxruntime  # takes a second, and only exports need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised
    # Without VNNI, the fast product of INT8 numbers clips its sums to 16 bits, which no phone does.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda low_res: session.run([OUTPUT], {INPUT: low_res})[0]


TARGET = Target(
    name="onnx",
    suffix=".onnx",
    description=f"ONNX, opset {OPSET}, float32",
    runtime="onnxruntime",
    dtype="float32",
    write=write,
    load=load,
    largest_difference=1e-4,
    largest_loss=0.01,
)
