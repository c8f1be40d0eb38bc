"""Measures how many trials at once take the most steps per second in total on this machine.

For 1, 2, 4, ... trials at once, that many processes build the same network, warm up, start the clock together and
take real steps of the sweep. The ladder ends when twice as many processes gain less than GROWTH, or when one of them
runs out of memory.
"""

import contextlib
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from searchspace.architecture import architecture
from sweeps.capacity.gpus import show_only
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import DataSettings
from sweeps.data.split import DataSplit, open_data
from sweeps.device import lacks_memory, pick_device
from sweeps.machine import threads_here
from sweeps.measure.evaluate import BATCH_PIXELS, batches, evaluate
from sweeps.train.cuda_graph import WARM_UP
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import Step, make_step

GROWTH = 1.05
"""Factor by which the total steps per second must rise for more trials at once to be worth it."""
TOGETHER = 20
"""Steps that a process queues on a GPU before it waits. Training does not wait for single steps either."""

MEASURE_SECONDS = 900.0
"""Seconds that a process may take to build and warm up its network, and to answer after its counted seconds."""
DEATH_SECONDS = 10.0
"""Seconds to wait for a killed process to end. A process that hangs in a system driver may never end."""


class RungFailed(Exception):  # noqa: N818 - reads as what happened
    """The number of trials at once does not run here. The message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The work of every process on a rung: training steps of one network with a sweep's settings."""

    family: str
    knobs: dict[str, Any]
    scale: int
    seed: int
    train: TrainSettings
    data: DataSettings
    cache: Path
    """Folder of decoded images."""
    threads: int = 1
    gpus: str = ""
    """CUDA_VISIBLE_DEVICES of the processes. Empty: unchanged."""
    seconds: float = 5.0
    """Seconds for which steps are counted."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The measurement of a number of trials at once."""

    trials: int
    threads: int
    """Threads of each trial."""
    steps_per_second: float
    """Steps per second of all trials together."""
    memory: int | None
    """Peak memory of the largest process, in bytes: reserved by torch on a GPU (without CUDA's own context), resident on
    a processor. None if the system does not report it."""


Measure = Callable[[Job, int], Rung]


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The rungs that were measured, from one trial at once upwards."""

    rungs: tuple[Rung, ...]
    failure: str = ""
    """Why the next rung could not be measured. Empty if it was not tried."""

    @property
    def best(self) -> Rung:
        """The highest rung up to which every rung gained at least GROWTH over the one below."""
        chosen = self.rungs[0]
        for rung in self.rungs[1:]:
            if rung.steps_per_second < GROWTH * chosen.steps_per_second:
                break
            chosen = rung
        return chosen

    @property
    def ended(self) -> bool:
        """Whether the ladder shows that more trials would not be faster. False if it was cut short."""
        # A last rung with fewer than twice the trials may gain too little although twice as many would gain enough.
        return bool(self.failure) or self.rungs[-1].trials >= 2 * self.best.trials


def counts(most: int) -> list[int]:
    """The numbers of trials to try: 1, 2, 4, ... and `most`."""
    powers = [2**n for n in range(most.bit_length()) if 2**n < most]
    return [*powers, most]


def climb(
    job: Job,
    most: int,
    *,
    cores: int | None = None,
    on_rung: Callable[[Rung], None] = lambda rung: None,
    measure: Measure | None = None,
) -> Ladder:
    """Measure the ladder for `job`, up to `most` trials at once. Raises RungFailed if not even one trial runs.

    With `cores`, the trials share these cores. Otherwise each trial has the job's threads.
    """
    rungs: list[Rung] = []
    for count in counts(most):
        threads = job.threads if cores is None else max(1, cores // count)
        try:
            rung = (measure or measure_rung)(replace(job, threads=threads), count)
        except RungFailed as failure:
            if not rungs:
                raise
            return Ladder(rungs=tuple(rungs), failure=f"{count} trials at once: {failure}")
        rungs.append(rung)
        on_rung(rung)
        if Ladder(rungs=tuple(rungs)).best is not rung:
            break
    return Ladder(rungs=tuple(rungs))


def measure_rung(job: Job, count: int) -> Rung:
    """Run `count` processes that take steps for `job.seconds`. All have ended on return. Raises RungFailed."""
    # spawn, since neither torch's thread pools nor CUDA survive a fork.
    context = get_context("spawn")
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        with _unheard():
            for _ in range(count):
                workers.append(_start(context, job))
        ready_by = time.monotonic() + MEASURE_SECONDS
        for worker in workers:
            _told(*worker, ready_by)
        for _, pipe in workers:
            with contextlib.suppress(OSError):  # a process that has died is reported below
                pipe.send("go")
        done_by = time.monotonic() + job.seconds + MEASURE_SECONDS
        told = [_told(*worker, done_by) for worker in workers]
    finally:
        for process, _ in workers:
            process.kill()
        for process, pipe in workers:
            process.join(DEATH_SECONDS)
            pipe.close()
    rates, memories = zip(*told, strict=True)
    known = [memory for memory in memories if memory is not None]
    return Rung(
        trials=count,
        threads=job.threads,
        steps_per_second=sum(rates),
        memory=max(known, default=None),
    )


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Delay Ctrl-C until the block ends. Processes started in it ignore Ctrl-C: their parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    # The signal is also blocked, which child processes inherit. Other threads of torch may still receive it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _start(context: SpawnContext, job: Job) -> tuple[BaseProcess, Connection]:
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, job), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _told(process: BaseProcess, pipe: Connection, until: float) -> Any:
    """The next message of a process. Raises RungFailed if it reports an error, dies, or is silent beyond `until`."""
    try:
        if not pipe.poll(max(0.0, until - time.monotonic())):
            raise RungFailed(f"a process hangs: it did not answer for {MEASURE_SECONDS:g} s")
        said = pipe.recv()
    except (EOFError, OSError):
        process.join()
        killed = process.exitcode == -signal.SIGKILL
        why = " (killed: out of memory, or from outside)" if killed else ""
        raise RungFailed(f"a process died, exit code {process.exitcode}{why}") from None
    if isinstance(said, str):
        raise RungFailed(said)
    return said


def work(pipe: Connection, job: Job) -> None:
    """Run in a process. Sends "ready", waits for "go", then sends (steps per second, bytes), or an error in one line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    show_only(job.gpus)
    torch.set_num_threads(threads_here(job.threads))
    try:
        warnings.simplefilter("ignore")  # every process would print the same warnings
        split = open_data(job.data, job.scale, job.cache)
        timed = _prepared(job, split)
        pipe.send(())
        pipe.recv()
        pipe.send(timed())
    except EOFError:
        return  # the parent has ended
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send(_reason(error))


def _prepared(job: Job, split: DataSplit) -> Callable[[], tuple[float, int | None]]:
    """Build and warm up the network. The function that is returned takes the counted steps."""
    torch.manual_seed(job.seed)
    device = pick_device(job.train.device)
    network = architecture(job.family, job.knobs).network(job.scale)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = PatchSampler(split.train, job.train.patch_size, job.train.batch_size, job.seed)
    rate = partial(learning_rate_at, job.train)
    take_step = make_step(network, make_optimizer(network), job.train, sampler, rate)
    for step in range(WARM_UP + 2):  # on a GPU the step after WARM_UP is recorded as a graph
        float(take_step(step))

    def timed() -> tuple[float, int | None]:
        rate = _rate(take_step, WARM_UP + 2, job.seconds, TOGETHER if device.type == "cuda" else 1)
        # Evaluate once, for its memory: a trial evaluates while the pool of its graph stays allocated.
        pixels = split.validation.sizes.prod(1)
        together = batches(split.validation.sizes, BATCH_PIXELS if device.type == "cuda" else 0)
        largest = max(together, key=lambda batch: int(pixels[batch].sum()))
        evaluate(network, split.validation.subset(largest), device=device)
        return rate, peak_memory(device)

    return timed


def _rate(take_step: Step, step: int, seconds: float, together: int) -> float:
    """Steps per second from `step` on, over at least `seconds`."""
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(together):
            loss = take_step(step + done)
            done += 1
        float(loss)
    return done / elapsed


def peak_memory(device: torch.device) -> int | None:
    """Peak memory of this process in bytes: reserved by torch on a GPU, resident on a processor (Linux only)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = next((line for line in lines if line.startswith("VmHWM:")), None)
    return None if found is None else int(found.split()[1]) * 1024


def _reason(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"out of memory: {line}" if lacks_memory(error) else line


def format_counts(rungs: Sequence[Rung]) -> str:
    """'1: 5.2, 2: 9.9 steps/s': for one line of progress."""
    return ", ".join(f"{r.trials}: {r.steps_per_second:.3g}" for r in rungs) + " steps/s"
