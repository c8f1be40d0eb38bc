"""Several trials at once on one machine, each in a worker process that lives as long as the sweep."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from sweeps.capacity.gpus import show_only
from sweeps.engine.sweep import Sweep
from sweeps.records import Outcome, together
from sweeps.train import segment as segments
from sweeps.train.segment import Segment

LISTEN_SECONDS = 1.0
"""How long to wait for news before the lease is looked at and idle workers are offered work."""


@dataclass(kw_only=True)
class Worker:
    """A process that runs one segment at a time, and the end of its pipe."""

    process: BaseProcess
    pipe: Connection
    gpus: str
    """Those that it sees, '' for all."""
    segment: Segment | None = None


def run(sweep: Sweep, gpus: Sequence[str]) -> None:
    """Run the sweep to its end on a process for each of `gpus`, the CUDA_VISIBLE_DEVICES of that process ('' to leave it).

    A worker that dies is replaced. Before a trial that must be alone, idle workers are ended, so that what they keep
    of the machine's and the GPUs' memory is free: images, torch's own, the context of CUDA. Left is what the one that
    trains it has of these.
    """
    # spawn, not fork: torch's thread pools do not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers: list[Worker] = []
    try:
        while not sweep.done:
            _hand_out(sweep, workers, gpus, context)
            for worker in _with_news(workers):
                if not _listen(sweep, worker):
                    workers.remove(worker)
            sweep.check_lease()
    finally:
        _end(workers)


def _hand_out(
    sweep: Sweep,
    workers: list[Worker],
    gpus: Sequence[str],
    context: multiprocessing.context.SpawnContext,
) -> None:
    """Give every idle worker a segment, as long as there are any; start workers as needed."""
    while any(worker.segment is None for worker in workers) or len(workers) < len(gpus):
        segment = sweep.next_segment()
        if segment is None:
            return
        if sweep.trials[segment.number].alone:
            for worker in _end([each for each in workers if each.segment is None][1:]):
                workers.remove(worker)
        # An idle worker may have died unheard since the last news: the segment goes to another one.
        while not _give(worker := _idle(workers, gpus, context), segment):
            workers.remove(worker)


def _end(workers: list[Worker]) -> list[Worker]:
    """The workers, whose processes are gone."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join()
    return workers


def _idle(
    workers: list[Worker], gpus: Sequence[str], context: multiprocessing.context.SpawnContext
) -> Worker:
    """A worker without a segment, started where there is none."""
    for worker in workers:
        if worker.segment is None:
            return worker
    taken = Counter(worker.gpus for worker in workers)
    free = next(iter(Counter(gpus) - taken))
    workers.append(_start(context, free))
    return workers[-1]


def _give(worker: Worker, segment: Segment) -> bool:
    """Send the worker its segment; False where it has died."""
    try:
        worker.pipe.send(segment)
    except OSError:
        worker.process.join()
        return False
    worker.segment = segment
    return True


def _start(context: multiprocessing.context.SpawnContext, gpus: str) -> Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, os.getpid(), gpus), daemon=True)
    process.start()
    theirs.close()
    return Worker(process=process, pipe=ours, gpus=gpus)


def _with_news(workers: list[Worker]) -> list[Worker]:
    ready = wait([worker.pipe for worker in workers], timeout=LISTEN_SECONDS)
    return [worker for worker in workers if worker.pipe in ready]


def _listen(sweep: Sweep, worker: Worker) -> bool:
    """Pass records on; False where the worker has died, its segment being ended."""
    segment = worker.segment
    try:
        records = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        if segment is not None:
            sweep.handle(segment, _death(segment, worker.process.exitcode))
        return False
    assert segment is not None
    if isinstance(records[-1], Outcome):
        worker.segment = None
    sweep.handle(segment, *records)
    return True


def _death(segment: Segment, code: int | None) -> Outcome:
    """The end of a segment whose process died.

    Where memory is short the kernel sends SIGKILL, and does not tell the parent why: that may always have been it.
    """
    killed = code == -signal.SIGKILL
    seen = (
        "the worker process was killed (SIGKILL), by the kernel for want of memory or from outside"
        if killed
        else f"the worker process died (exit code {code})"
    )
    return Outcome(step=0, error=segments.death(segment, seen), out_of_memory=killed)


def work(pipe: Connection, parent: int, gpus: str) -> None:
    """Life of a worker: segments in, records out, until the pipe closes or the parent is gone."""
    show_only(gpus)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    while os.getppid() == parent:
        try:
            segment: Segment = pipe.recv()
            for records in together(segments.run(segment), segment.until_step):
                pipe.send(records)
        except (EOFError, OSError):
            return
