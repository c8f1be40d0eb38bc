"""A contestant of several processes that do the same at the same time, such as one of one thread for each core."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from sweeps.data.split import DataSettings

PATIENCE = 600
"""Seconds that a process waits for the others before it takes them for dead."""

_barrier: Any = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one process of a contestant does."""

    plain: bool
    """By the plain loop, not by srsweep."""
    threads: int
    seconds: float
    """How long it is measured."""
    data: DataSettings
    cache: Path


AnyJob = TypeVar("AnyJob", bound=Job)
Result = TypeVar("Result")


def together(work: Callable[[AnyJob], Result], job: AnyJob, processes: int) -> list[Result]:
    """What each of so many new processes returned from `work(job)`, a function of a module."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(barrier,)) as pool:
        return list(pool.map(_begin, [work] * processes, [job] * processes))


def wait_for_others() -> None:
    """In `work`: until all processes have come this far."""
    _barrier.wait(PATIENCE)


def _share(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _begin(work: Callable[[AnyJob], Result], job: AnyJob) -> Result:
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    return work(job)
