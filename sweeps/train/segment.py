"""One segment of a trial, run wherever a driver puts it: build, train, evaluate, report.

A segment takes a trial from its newest checkpoint to a step. Everything that a segment needs is in
it, so that it can be sent to another process or machine; everything that comes back is a record.
"""

import gc
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from searchspace.architecture import architecture
from sweeps.checkpoints.object_store import Mirror
from sweeps.checkpoints.state import (
    CheckpointFailed,
    Checkpoints,
    Training,
    checkpoint_path,
    newest_state,
)
from sweeps.data.split import DataSettings, DataSplit, open_data
from sweeps.device import device_model, lacks_memory, pick_autocast, pick_device
from sweeps.machine import threads_here
from sweeps.measure.latency_objective import (
    Timing,
    TooSlow,
    another_key,
    key_of,
    refuse_slow,
    time_network,
)
from sweeps.records import Evaluation, Measurement, Outcome, Progress
from sweeps.train.loop import TrainingFailed, train
from sweeps.train.settings import TrainSettings
from sweeps.train.time_limit import read_note, time_limit

DEVICE_LENGTH = 100
"""Characters that the column of an attempt's device holds."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What is to be trained: an architecture, the settings, and how far."""

    trial_id: int
    number: int
    attempt: int
    family: str
    knobs: dict[str, Any]
    label: str
    scale: int
    seed: int
    until_step: int
    train: TrainSettings
    data: DataSettings
    folder: Path
    """Of the trial's checkpoints; shared by all machines of a cluster, or mirrored."""
    cache: Path
    """Of decoded images on the machine itself."""
    threads: int = 1
    mirror: Mirror | None = None
    """Where copies of the checkpoints lie for other machines, in place of a shared folder."""
    seconds_allowed: float | None = None
    """After which the process that runs it is killed; null: no limit."""
    timing: Timing | None = None
    """The order to measure the latency first, where the sweep asks for it."""

    @property
    def note(self) -> Path:
        """The file that says where the attempt stood when its time was over."""
        return self.folder / f"attempt-{self.attempt}.timeout"


def run(
    segment: Segment, *, is_stopped: Callable[[], bool] = lambda: False
) -> Iterator[Progress | Evaluation | Outcome]:
    """Train a segment; the last record is always an Outcome, with the error where it failed.

    Once `is_stopped`, asked between any two steps, the state is saved and KeyboardInterrupt raised.
    Where the segment has a time limit, the process is killed when it is over. Processes are used again: the
    GPU memory that torch keeps for itself would be missing to the neighbours, and is given back at the end.
    """
    with time_limit(segment.seconds_allowed, segment.note):
        yield from _run(segment, is_stopped)
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def death(segment: Segment, how: str) -> str:
    """Why the process of a segment died, for the record; `how` is what was seen from outside."""
    stood = read_note(segment.note)
    if not stood:
        return how
    assert segment.seconds_allowed is not None
    return (
        f"killed after {segment.seconds_allowed / 3600:g} h (resources.hours_per_attempt)\n"
        f"It stood at:\n{stood}"
    )


class MachineFault(Exception):  # noqa: N818 - reads as what happened
    """What every trial needs is not to be had here: the device, the images, the store of checkpoints."""


def _run(
    segment: Segment, is_stopped: Callable[[], bool]
) -> Iterator[Progress | Evaluation | Outcome]:
    started = time.perf_counter()
    segment = replace(segment, threads=threads_here(segment.threads))
    outcome = Outcome(step=0, host=socket.gethostname())
    try:
        torch.set_num_threads(segment.threads)
        torch.manual_seed(segment.seed)
        split, device = _prepare(segment)
        checkpoints = _checkpoints(segment, split)
        outcome = replace(outcome, device=computed_on(device, checkpoints))
        if segment.timing is not None:
            measured = _time(segment, segment.timing)
            yield Evaluation(step=0, measurements=(measured,))
            refuse_slow(measured, segment.timing.limit)
            torch.manual_seed(segment.seed)  # the measurement has drawn an image
        network = architecture(segment.family, segment.knobs).network(segment.scale)
        for record in train(
            network,
            split,
            segment.train,
            seed=segment.seed,
            checkpoints=checkpoints,
            until_step=segment.until_step,
            is_stopped=is_stopped,
        ):
            outcome = replace(outcome, step=record.step)
            if isinstance(record, Evaluation):
                _push(segment)
            yield record
        outcome = replace(outcome, step=segment.until_step)
    except Exception as error:
        outcome = replace(outcome, **_judged(error))
    else:
        with suppress(OSError, MachineFault):  # they take up room, no more
            _forget_older(segment)
    yield replace(outcome, seconds=time.perf_counter() - started)


def _time(segment: Segment, timing: Timing) -> Measurement:
    """The latency of the segment's network here; MachineFault where those of the sweep are of another device."""
    measured = time_network(
        architecture(segment.family, segment.knobs),
        segment.scale,
        pick_device(segment.train.device),
        segment.threads,
    )
    if timing.key and key_of(measured) != timing.key:
        raise MachineFault(another_key(key_of(measured), timing.key))
    return measured


def _judged(error: Exception) -> dict[str, Any]:
    """What an Outcome says of an error: one line where it is understood, else the traceback; and whose fault it is."""
    if isinstance(error, TrainingFailed):
        return {"error": str(error), "final": True}
    if isinstance(error, (CheckpointFailed, MachineFault)):
        return {"error": str(error), "machine_fault": True}
    if isinstance(error, TooSlow):
        return {"error": str(error), "too_slow": True}
    if isinstance(error, ValueError):
        return {"error": str(error)}
    return {"error": traceback.format_exc(), "out_of_memory": lacks_memory(error)}


def _prepare(segment: Segment) -> tuple[DataSplit, str]:
    """The images, and the device's name, once earlier checkpoints are here; MachineFault where they are not to be had."""
    try:
        device = device_name(segment.train)
        split = open_data(segment.data, segment.scale, segment.cache)
    except (ValueError, OSError) as error:
        raise MachineFault(str(error)) from error
    if segment.mirror is not None:
        earlier = range(segment.attempt, 0, -1)
        names = [checkpoint_path(segment.folder, attempt).name for attempt in earlier]
        with _blaming(segment.mirror):
            segment.mirror.fetch(segment.folder, names)
    return split, device


def _push(segment: Segment) -> None:
    """Copy the newest checkpoint to where other machines find it, if there is such a place."""
    if segment.mirror is not None:
        with _blaming(segment.mirror):
            segment.mirror.push(checkpoint_path(segment.folder, segment.attempt))


@contextmanager
def _blaming(mirror: Mirror) -> Iterator[None]:
    """Each store's package has errors of its own; none of them is the network's."""
    try:
        yield
    except Exception as error:
        raise MachineFault(f"checkpoints: {mirror.url}: {type(error).__name__}: {error}") from error


def device_name(settings: TrainSettings) -> str:
    """The model of the device that training will run on."""
    return device_model(pick_device(settings.device))


def computed(settings: TrainSettings, threads: int) -> str:
    """What the last bits depend on besides the seed and the settings: '2 threads, float32'."""
    device = pick_device(settings.device)
    precision = "bfloat16" if pick_autocast(settings.precision, device) else "float32"
    # Sums are split over the threads of a processor; those of the host change nothing on a GPU.
    where = f"{threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else "CUDA"
    return f"{where}, {precision}"


def computed_on(device: str, checkpoints: Checkpoints) -> str:
    """The device and how numbers are rounded there, for the attempt's row; with what came before, where that differs."""
    state = newest_state(checkpoints, "cpu")
    before = checkpoints.computed if state is None else state.get("computed", "unknown")
    how = f", {checkpoints.computed}"
    if before != checkpoints.computed:
        how += f" (resumed from {before})"
    return device[: DEVICE_LENGTH - len(how)] + how


def training_of(segment: Segment, split: DataSplit) -> Training:
    """The training that the segment is a part of."""
    return Training(
        architecture=architecture(segment.family, segment.knobs).key,
        scale=segment.scale,
        seed=segment.seed,
        settings=segment.train,
        images=split.fingerprint,
    )


def _checkpoints(segment: Segment, split: DataSplit) -> Checkpoints:
    earlier = range(segment.attempt, 0, -1)
    return Checkpoints(
        training=training_of(segment, split),
        write=checkpoint_path(segment.folder, segment.attempt),
        read=tuple(checkpoint_path(segment.folder, attempt) for attempt in earlier),
        computed=computed(segment.train, segment.threads),
    )


def _forget_older(segment: Segment) -> None:
    """Older attempts' checkpoints, once this attempt has written its last."""
    if checkpoint_path(segment.folder, segment.attempt).exists():
        older = [checkpoint_path(segment.folder, attempt) for attempt in range(1, segment.attempt)]
        for path in older:
            path.unlink(missing_ok=True)
        if segment.mirror is not None:
            with _blaming(segment.mirror):
                segment.mirror.forget(path.name for path in older)
