"""Measures the number of parallel trials with the most training steps per second in total on this machine.

The measurement tries 1, 2, 4, ... trials in parallel. These numbers form a ladder, and each number is a rung. For a
rung of k trials, k processes build the same network, warm up, start the clock together and take real training steps of
the sweep. The ladder ends at a rung that gains less than the factor GROWTH over the rung below. It also ends at a rung
that fails, for example because memory runs out.
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
from sweeps.measure.load import Load, Meter
from sweeps.measure.turns import alone, join_measurement
from sweeps.train.average import average_of
from sweeps.train.cuda_graph import WARM_UP
from sweeps.train.networks import network_to_train
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import Step, make_step
from sweeps.train.teacher import teacher_of

GROWTH = 1.05
"""Factor by which the total steps per second must rise from one rung to the next to justify more parallel trials."""
TOGETHER = 20
"""Number of steps that a process queues on a GPU before it waits. Training does not wait after each step either."""

MEASURE_SECONDS = 900.0
"""Seconds that a process may take to build and warm up its network. After the counted steps, the parent waits up to the
same number of seconds for the answer of the process."""
TRIES = 3
"""Maximum number of measurements of a rung while other processes use the machine."""
DEATH_SECONDS = 10.0
"""Seconds to wait for a killed process to end. A process that hangs in a device driver may never end."""


class RungFailed(Exception):  # noqa: N818 - reads as what happened
    """Raised if this machine cannot run a rung's trials in parallel. The message gives the reason in one line."""


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
    """Value of CUDA_VISIBLE_DEVICES for the processes. Empty: the variable stays unchanged."""
    seconds: float = 5.0
    """Seconds during which each process counts its steps."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The measurement for one number of parallel trials."""

    trials: int
    threads: int
    """Number of threads of each trial."""
    steps_per_second: float
    """Training steps per second of all trials together."""
    memory: int | None
    """Peak memory of the largest process, in bytes. On a GPU, this is the memory that torch reserved, without CUDA's
    own context. On a processor, this is the resident memory. None if the system does not report it."""
    load: Load = Load(others=0.0, cores=1, seconds=1.0)
    """The load of all processes that do not belong to the measurement."""


Measure = Callable[[Job, int], Rung]


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The measured rungs, in ascending order of the number of parallel trials."""

    rungs: tuple[Rung, ...]
    failure: str = ""
    """Why the next rung could not be measured. Empty if no rung failed."""

    @property
    def best(self) -> Rung:
        """The rung with the best number of parallel trials.

        Every rung up to this one gained at least the factor GROWTH over the rung below. The next one did not.
        """
        chosen = self.rungs[0]
        for rung in self.rungs[1:]:
            if rung.steps_per_second < GROWTH * chosen.steps_per_second:
                break
            chosen = rung
        return chosen

    @property
    def ended(self) -> bool:
        """Whether the ladder shows that more trials would not be faster. False if it ended too early to show this."""
        # A last rung with fewer than twice the trials of the best rung cannot gain enough to decide.
        return bool(self.failure) or self.rungs[-1].trials >= 2 * self.best.trials

    @property
    def disturbance(self) -> str:
        """The load that disturbed a rung most, in words. It makes the ladder useless. '' if no rung was disturbed."""
        busy = [rung.load for rung in self.rungs if rung.load.is_busy]
        return str(max(busy, key=lambda load: load.others)) if busy else ""


def counts(most: int) -> list[int]:
    """Returns the degrees of parallelism to try, in ascending order: the powers of two below `most`, then `most`."""
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
    """Measures the ladder for `job`, up to `most` parallel trials. Raises RungFailed if not even one trial runs.

    If `cores` is given, the trials of a rung divide these cores. Otherwise, each trial has the threads of the job.
    `on_rung` is called after each rung. `measure` replaces `measure_rung`. If other processes use the machine during a
    rung, the rung is measured again, up to TRIES times in all. The measurement during which the other processes used the
    least is kept.
    """
    rungs: list[Rung] = []
    for count in counts(most):
        threads = job.threads if cores is None else max(1, cores // count)
        try:
            rung = _quietest(measure or measure_rung, replace(job, threads=threads), count)
        except RungFailed as failure:
            if not rungs:
                raise
            return Ladder(rungs=tuple(rungs), failure=f"{count} trials at once: {failure}")
        rungs.append(rung)
        on_rung(rung)
        if Ladder(rungs=tuple(rungs)).best is not rung:
            break
    return Ladder(rungs=tuple(rungs))


def _quietest(measure: Measure, job: Job, count: int) -> Rung:
    tried = [measure(job, count)]
    while tried[-1].load.is_busy and len(tried) < TRIES:
        tried.append(measure(job, count))
    return tried[-1] if len(tried) < TRIES else min(tried, key=lambda rung: rung.load.others)


def measure_rung(job: Job, count: int) -> Rung:
    """Measures `count` processes that take training steps in parallel for `job.seconds`.

    Other computations of this user on this machine pause during the measurement, but for at most
    `sweeps.measure.turns.STALE_SECONDS`. All processes are killed before the function returns. Raises RungFailed if a
    process reports an error, dies or hangs.
    """
    # spawn, because neither torch's thread pools nor CUDA survive a fork.
    context = get_context("spawn")
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        with _unheard():
            for _ in range(count):
                workers.append(_start(context, job))
        ready_by = time.monotonic() + MEASURE_SECONDS
        for worker in workers:
            _told(*worker, ready_by)
        with alone():
            meter = Meter([process.pid for process, _ in workers if process.pid is not None])
            for _, pipe in workers:
                with contextlib.suppress(OSError):  # a process that has died is reported below
                    pipe.send("go")
            done_by = time.monotonic() + job.seconds + MEASURE_SECONDS
            told = [_told(*worker, done_by) for worker in workers]
            load = meter.load()
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
        load=load,
    )


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Delays Ctrl-C until the block ends. Processes started in the block ignore Ctrl-C. Their parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    # The signal is also blocked, because child processes inherit the mask. Other threads of torch may still receive it.
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
    """Returns the next message of a process. Raises RungFailed if the process fails, dies, or is silent until `until`."""
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
    """Runs in each process of a rung.

    Sends an empty tuple when the network is warm, waits for a message, takes the steps, then sends (steps per second,
    peak bytes). If an error occurs, sends one line of text about it instead.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    join_measurement()
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
    """Builds and warms up the network. Returns a function that takes the counted steps and returns what `work` sends."""
    torch.manual_seed(job.seed)
    device = pick_device(job.train.device)
    network = network_to_train(architecture(job.family, job.knobs), job.scale, job.train)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = PatchSampler(split.train, job.train.patch_size, job.train.batch_size, job.seed)
    rate = partial(learning_rate_at, job.train)
    optimizer, average = make_optimizer(network, job.train), average_of(network, job.train)
    teacher = teacher_of(job.train, job.scale, device)
    largest = job.train.model_copy(
        update={"patch_stages": None}
    )  # all steps with the largest patches
    take_step = make_step(network, optimizer, largest, sampler, rate, average, teacher)
    for step in range(WARM_UP + 2):  # on a GPU the step after WARM_UP is recorded as a graph
        float(take_step(step))

    def timed() -> tuple[float, int | None]:
        rate = _rate(take_step, WARM_UP + 2, job.seconds, TOGETHER if device.type == "cuda" else 1)
        # Evaluated once to measure the memory: a trial evaluates while the pool of its graph stays allocated.
        pixels = split.validation.sizes.prod(1)
        together = batches(split.validation.sizes, BATCH_PIXELS if device.type == "cuda" else 0)
        largest = max(together, key=lambda batch: int(pixels[batch].sum()))
        evaluate(network, split.validation.subset(largest), device=device)
        return rate, peak_memory(device)

    return timed


def _rate(take_step: Step, step: int, seconds: float, together: int) -> float:
    """Takes steps from number `step` on for at least `seconds`, and returns the steps per second."""
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(together):
            loss = take_step(step + done)
            done += 1
        float(loss)
    return done / elapsed


def peak_memory(device: torch.device) -> int | None:
    """Returns the peak memory of this process in bytes: reserved by torch on a GPU, resident on a processor.

    Returns None on a processor if the system is not Linux, because only Linux reports the number.
    """
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
    """Returns the steps per second of each rung as one line of progress: '1: 5.2, 2: 9.9 steps/s'."""
    return ", ".join(f"{r.trials}: {r.steps_per_second:.3g}" for r in rungs) + " steps/s"
