"""Exports a network as a torch.export archive (.pt2), which PyTorch runs without srsweep."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.target import Job, Run, Target, quiet, unnamed


def write(job: Job, path: Path) -> None:
    """Writes the network to `path` as an exported program, which accepts images of any height and width."""
    with quiet():
        torch.export.save(job.program(), path)


def load(path: Path, threads: int) -> Run:
    """Returns a function that runs the file on the CPU. Sets the threads of the whole process to `threads`."""
    torch.set_num_threads(threads)
    with quiet():
        network = torch.export.load(path).module()

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return network(torch.from_numpy(low_res)).numpy()

    return run


TARGET = Target(
    name="torch",
    suffix=".pt2",
    description=f"torch.export archive of PyTorch {torch.__version__.partition('+')[0]}, float32",
    runtime="torch.export",
    dtype="float32",
    write=write,
    load=load,
    largest_difference=1e-4,
    largest_loss=0.01,
    tensors=unnamed,
)
