"""Exports a network as an ExecuTorch program in float32.

XNNPACK executes its convolutions on the processor of a phone. The file accepts images of any size up to `Job.largest`.
Its input must be contiguous: with channels last in memory, the runtime returns a wrong image and reports no error.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.programs import plain_program
from analysis.export.silence import silent
from analysis.export.target import Job, Run, Target, unnamed


def write(job: Job, path: Path) -> None:
    """Writes the network to `path`."""
    with silent():
        import executorch.exir  # noqa: F401 - a missing package is reported before the network is traced

        lower(plain_program(job, fixed=False), path)


def lower(program: torch.export.ExportedProgram, path: Path) -> None:
    """Writes a traced program to `path`. XNNPACK gets all operators that it supports."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(edge.to_executorch().buffer)


def load(path: Path, threads: int) -> Run:
    """Returns a function that runs the file. Sets ExecuTorch's thread count to `threads`, for the whole process."""
    with silent():
        from executorch.extension.pybindings import _C
        from executorch.runtime import Runtime

        _C._unsafe_reset_threadpool(threads)
        program = Runtime.get().load_program(path)
        method = program.load_method("forward")
    assert method is not None

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        assert program is not None  # it must live as long as its method
        (super_res,) = method.execute([torch.from_numpy(np.ascontiguousarray(low_res))])
        return super_res.numpy()

    return run


TARGET = Target(
    name="executorch",
    suffix=".pte",
    description="ExecuTorch program for XNNPACK, float32",
    runtime="executorch",
    dtype="float32",
    write=write,
    load=load,
    largest_difference=1e-4,
    largest_loss=0.01,
    tensors=unnamed,
    bounded=True,
    packages=("executorch", "torchao"),
)
