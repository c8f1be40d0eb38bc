"""The driver for several trials in parallel on one machine.

Each trial runs in a worker process. A worker trains one segment after another.
"""

import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType

from sweeps.capacity.gpus import show_only
from sweeps.engine.sweep import Sweep
from sweeps.records import TELL_SECONDS, Outcome, together
from sweeps.train import segment as segments
from sweeps.train.segment import Segment

LISTEN_SECONDS = 1.0
"""Maximum wait for messages of the workers, in seconds. After the wait, the driver checks its lease and gives work to
idle workers."""


@dataclass(kw_only=True)
class Worker:
    """A worker process, which runs one segment at a time, and the driver's end of the pipe to this process."""

    process: BaseProcess
    pipe: Connection
    gpus: str
    """CUDA_VISIBLE_DEVICES of the process; '' leaves the variable unchanged."""
    segment: Segment | None = None
    """The segment that the process is training; None if the worker is idle."""


def run(sweep: Sweep, gpus: Sequence[str]) -> None:
    """Runs the sweep to its end with one worker process for each entry of `gpus`.

    An entry is the CUDA_VISIBLE_DEVICES of its worker; '' leaves the variable unchanged. Workers that die are replaced.
    If a trial must run alone, all other workers are ended before it starts. This frees the memory that idle workers
    hold on the machine and its GPUs (images, torch, CUDA contexts). Raises SweepFailed or StoreError if the sweep
    cannot continue.
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
    """Gives segments to idle workers, and starts workers as needed, until the sweep has no segment to start."""
    while any(worker.segment is None for worker in workers) or len(workers) < len(gpus):
        segment = sweep.next_segment()
        if segment is None:
            return
        if sweep.trials[segment.number].alone:
            for worker in _end([each for each in workers if each.segment is None][1:]):
                workers.remove(worker)
        # An idle worker may have died unnoticed. The segment then goes to another worker.
        while not _give(worker := _idle(workers, gpus, context), segment):
            workers.remove(worker)


def _end(workers: list[Worker]) -> list[Worker]:
    """Ends the processes of `workers` and returns the list `workers`."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join()
    return workers


def _idle(
    workers: list[Worker], gpus: Sequence[str], context: multiprocessing.context.SpawnContext
) -> Worker:
    """Returns a worker without a segment. If every worker has a segment, starts a new worker."""
    for worker in workers:
        if worker.segment is None:
            return worker
    taken = Counter(worker.gpus for worker in workers)
    free = next(iter(Counter(gpus) - taken))
    workers.append(_start(context, free))
    return workers[-1]


def _give(worker: Worker, segment: Segment) -> bool:
    """Sends the worker its segment. Returns False if the worker has died."""
    try:
        worker.pipe.send(segment)
    except OSError:
        worker.process.join()
        return False
    worker.segment = segment
    return True


@contextmanager
def _without_script() -> Iterator[None]:
    """Prevents processes that start in the `with` block from importing the main script of this process.

    By default, spawn imports the main script in each new process. A script that calls `srsweep.run` without `if
    __name__ == "__main__":` would then run the sweep again. Workers need nothing from that script.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _start(context: multiprocessing.context.SpawnContext, gpus: str) -> Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, os.getpid(), gpus), daemon=True)
    with _without_script():
        process.start()
    theirs.close()
    return Worker(process=process, pipe=ours, gpus=gpus)


def _with_news(workers: list[Worker]) -> list[Worker]:
    ready = wait([worker.pipe for worker in workers], timeout=LISTEN_SECONDS)
    return [worker for worker in workers if worker.pipe in ready]


def _listen(sweep: Sweep, worker: Worker) -> bool:
    """Passes the worker's records to the sweep. If the worker has died, ends its segment and returns False."""
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
    """Returns the outcome of a segment whose worker process died with exit code `code`.

    The kernel sends SIGKILL when memory is short, but the parent process does not get the reason. Every SIGKILL
    therefore counts as a possible lack of memory.
    """
    killed = code == -signal.SIGKILL
    seen = (
        "the worker process was killed (SIGKILL), either by the kernel because memory was short or by something else"
        if killed
        else f"the worker process died (exit code {code})"
    )
    return Outcome(step=0, error=segments.death(segment, seen), out_of_memory=killed)


def work(pipe: Connection, parent: int, gpus: str) -> None:
    """Runs in the worker process. Receives segments from `pipe`, trains them, and sends their records back.

    Returns when the pipe closes or when the id of the parent process is no longer `parent`. `gpus` is the worker's
    CUDA_VISIBLE_DEVICES; '' leaves the variable unchanged.
    """
    show_only(gpus)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    while os.getppid() == parent:
        try:
            segment: Segment = pipe.recv()
            found = segments.run(segment, tell_seconds=TELL_SECONDS)
            for records in together(found, segment.until_step):
                pipe.send(records)
        except (EOFError, OSError):
            return
