"""Runs a contestant in several processes, for example one per core. All begin their measurements at the same time."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import BrokenBarrierError
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

    `work` must be a function at the top level of a module, because it is pickled. Raises what `work` raises.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(barrier,)) as pool:
        runs = [pool.submit(_begin, work, job) for _ in range(processes)]
        faults = [fault for run in runs if (fault := run.exception()) is not None]
    # Those that waited for a failed process fail too. Their error says less.
    for fault in sorted(faults, key=lambda fault: isinstance(fault, BrokenBarrierError)):
        raise fault
    return [run.result() for run in runs]


def wait_for_others() -> None:
    """Waits until all processes have reached this call. `work` must call it before each measurement."""
    _barrier.wait(PATIENCE)


def _share(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _begin(work: Callable[[AnyJob], Result], job: AnyJob) -> Result:
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    try:
        return work(job)
    except BaseException:
        _barrier.abort()  # the other processes would wait for this one until PATIENCE ends
        raise
