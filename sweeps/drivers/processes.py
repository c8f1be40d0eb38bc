"""Several trials at once on one machine, each in a worker process that lives as long as the sweep."""

import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from sweeps import trial
from sweeps.records import Outcome, together
from sweeps.sweep import Sweep
from sweeps.trial import Segment

LISTEN_SECONDS = 1.0
"""How long to wait for news before the lease is looked at and idle workers are offered work."""


@dataclass(kw_only=True)
class Worker:
    """A process that runs one segment at a time, and the end of its pipe."""

    process: BaseProcess
    pipe: Connection
    segment: Segment | None = None


def run(sweep: Sweep, num_workers: int) -> None:
    """Run the sweep to its end on `num_workers` processes; a worker that dies is replaced."""
    # spawn, not fork: torch's thread pools do not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers: list[Worker] = []
    try:
        while not sweep.done:
            _hand_out(sweep, workers, num_workers, context)
            for worker in _with_news(workers):
                if not _listen(sweep, worker):
                    workers.remove(worker)
            sweep.check_lease()
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _hand_out(
    sweep: Sweep,
    workers: list[Worker],
    num_workers: int,
    context: multiprocessing.context.SpawnContext,
) -> None:
    """Give every idle worker a segment, as long as there are any; start workers as needed."""
    while True:
        idle = next((worker for worker in workers if worker.segment is None), None)
        if idle is None and len(workers) >= num_workers:
            return
        segment = sweep.next_segment()
        if segment is None:
            return
        if idle is None:
            idle = _start(context)
            workers.append(idle)
        idle.segment = segment
        idle.pipe.send(segment)


def _start(context: multiprocessing.context.SpawnContext) -> Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return Worker(process=process, pipe=ours)


def _with_news(workers: list[Worker]) -> list[Worker]:
    ready = wait([worker.pipe for worker in workers], timeout=LISTEN_SECONDS)
    return [worker for worker in workers if worker.pipe in ready]


def _listen(sweep: Sweep, worker: Worker) -> bool:
    """Pass records on; False where the worker has died, its segment being ended as an error."""
    segment = worker.segment
    try:
        records = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        if segment is not None:
            code = worker.process.exitcode
            seen = (
                f"the worker process died (exit code {code}); out of memory, or killed from outside"
            )
            sweep.handle(segment, Outcome(step=0, error=trial.death(segment, seen)))
        return False
    assert segment is not None
    if isinstance(records[-1], Outcome):
        worker.segment = None
    sweep.handle(segment, *records)
    return True


def work(pipe: Connection, parent: int) -> None:
    """Life of a worker: segments in, records out, until the pipe closes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    while os.getppid() == parent:
        try:
            segment: Segment = pipe.recv()
            for records in together(trial.run(segment), segment.until_step):
                pipe.send(records)
        except (EOFError, OSError):
            return
