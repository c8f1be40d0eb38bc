"""Exports a network as an ExecuTorch program in float32, whose convolutions XNNPACK executes on the processor of a phone.

The file accepts images of any size up to `Job.largest`. Its input must be contiguous: with channels last in memory, the
runtime returns a wrong image and reports no error.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.rewrites import plain_program
from analysis.export.target import Job, Run, Target, quiet


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
    """Returns a function that runs the file. Sets the threads of ExecuTorch in the whole process to `threads`."""
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


@contextmanager
def silent() -> Iterator[None]:
    """Discards warnings, log messages and all that libraries print, until the end of the `with` block.

    Torchao, ExecuTorch and XNNPACK report missing GPU libraries and the processor's features. Errors are still raised.
    """
    before = logging.root.manager.disable
    kept = [(number, os.dup(number)) for number in (1, 2)]
    logging.disable(logging.CRITICAL)
    try:
        with quiet(), Path(os.devnull).open("w") as nowhere:
            for number, _ in kept:
                os.dup2(nowhere.fileno(), number)
            yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        logging.disable(before)


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
    bounded=True,
    packages=("executorch", "torchao"),
)
