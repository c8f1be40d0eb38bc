"""Runs a contestant as several processes that start their measurement together, such as one process per core."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from sweeps.data.settings import DataSettings

PATIENCE = 600
"""Seconds that a process waits for the others before it gives up."""

_barrier: Any = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """The work of one process of a contestant."""

    plain: bool
    """Whether the plain loop does the work rather than srsweep."""
    threads: int
    """Threads of the process."""
    seconds: float
    """Duration of the measurement."""
    data: DataSettings
    """The images."""
    cache: Path
    """Folder for decoded images and PNG files."""


AnyJob = TypeVar("AnyJob", bound=Job)
Result = TypeVar("Result")


def together(work: Callable[[AnyJob], Result], job: AnyJob, processes: int) -> list[Result]:
    """The result of `work(job)` from each of `processes` new processes. `work` must be a module's function."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(barrier,)) as pool:
        return list(pool.map(_begin, [work] * processes, [job] * processes))


def wait_for_others() -> None:
    """Wait until all processes have reached this call; `work` calls it before it measures."""
    _barrier.wait(PATIENCE)


def _share(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _begin(work: Callable[[AnyJob], Result], job: AnyJob) -> Result:
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    return work(job)
