"""Runs a contestant in several processes, for example one per core. All begin their measurements at the same time."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from sweeps.data.settings import DataSettings

PATIENCE = 600
"""Seconds for which a process waits for the other processes before it fails."""

_barrier: Any = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """The settings of the work that every process of a contestant does."""

    plain: bool
    """True for the plain loop, False for srsweep."""
    threads: int
    """Number of threads of the process."""
    seconds: float
    """Duration of the measurement, in seconds."""
    data: DataSettings
    """The images to train or evaluate on."""
    cache: Path
    """Folder for decoded images and PNG files."""


AnyJob = TypeVar("AnyJob", bound=Job)
Result = TypeVar("Result")


def together(work: Callable[[AnyJob], Result], job: AnyJob, processes: int) -> list[Result]:
    """Runs `work(job)` in each of `processes` new processes and returns the results.

    `work` must be a function at the top level of a module, because it is pickled.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(barrier,)) as pool:
        return list(pool.map(_begin, [work] * processes, [job] * processes))


def wait_for_others() -> None:
    """Waits until all processes have reached this call. `work` must call it before each measurement."""
    _barrier.wait(PATIENCE)


def _share(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _begin(work: Callable[[AnyJob], Result], job: AnyJob) -> Result:
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    return work(job)
