"""Runs one segment of a trial: builds the network, trains it and evaluates it.

A segment is the part of a trial's training from its newest checkpoint up to a given step. A `Segment` contains all settings that
its training needs, so a driver can send it to another process or machine. The results come back as records.
"""

import gc
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from searchspace.architecture import Architecture, architecture
from searchspace.errors import UserError
from sweeps.checkpoints.object_store import Mirror
from sweeps.checkpoints.state import (
    CheckpointFailed,
    Checkpoints,
    Training,
    checkpoint_path,
    newest_state,
)
from sweeps.data.settings import DataSettings
from sweeps.data.split import DataSplit, open_data
from sweeps.device import device_model, lacks_memory, pick_autocast, pick_device
from sweeps.files import remove_unfinished
from sweeps.machine import threads_here
from sweeps.measure.latency import Latency
from sweeps.measure.latency_objective import (
    Timing,
    TooSlow,
    another_key,
    key_of,
    measurements_of,
    refuse_slow,
)
from sweeps.measure.ntire import RULES, measurement_of, use_of, with_doubt_of
from sweeps.measure.torch_latency import time_network
from sweeps.measure.turns import clock, computing
from sweeps.records import Activity, Evaluation, Measurement, Outcome, Record
from sweeps.train.loop import TrainingFailed, train
from sweeps.train.networks import network_to_train
from sweeps.train.settings import TrainSettings
from sweeps.train.time_limit import read_note, time_limit

DEVICE_LENGTH = 100
"""Maximum number of characters in the database column `device` of an attempt."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The work that a driver hands to a worker: an architecture, the settings, and the step to reach."""

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
    """Folder of the trial's checkpoints. On a cluster, all machines share the folder, or `mirror` copies its files."""
    cache: Path
    """Folder of decoded images, on the machine's own disk."""
    threads: int = 1
    mirror: Mirror | None = None
    """Object store through which machines exchange checkpoints if they share no folder. None: no object store is
    used."""
    seconds_allowed: float | None = None
    """Seconds after which the worker process is killed. None: no limit."""
    timing: Timing | None = None
    """If set, the worker measures the latency of the network before training."""

    @property
    def note(self) -> Path:
        """Path of a file. Before the time limit kills the process, it writes the stacks of the process to this file."""
        return self.folder / f"attempt-{self.attempt}.timeout"


def run(
    segment: Segment,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    tell_seconds: float | None = None,
) -> Iterator[Record]:
    """Trains a segment and yields its records. The last record is an Outcome. It holds the error if training failed.

    `is_stopped` is called before each step. If it returns True, the state is saved and KeyboardInterrupt is raised.
    With `tell_seconds`, the segment also yields activities, every `tell_seconds` seconds during training. If the
    segment takes longer than its time limit, the process is killed. At the end, torch releases its cached GPU memory,
    because the worker process continues and other trials on the GPU may need the memory.

    The segment pauses while another process of this user measures a latency on this machine (`sweeps.measure.turns`).
    The pauses count neither as training time nor towards the time limit. The segment does not hold a turn between two
    records.
    """
    with time_limit(segment.seconds_allowed, segment.note) as waiting:
        records = _run(segment, is_stopped, tell_seconds)
        while True:
            with computing(lambda: _resting(waiting)):
                record = next(records, None)
            if record is None:
                break
            yield record
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


@contextmanager
def _resting(waiting: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
    """Waits until the GPU has finished the queued steps, then enters the context that `waiting` returns."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    with waiting():
        yield


def death(segment: Segment, how: str) -> str:
    """Returns the error to store for an attempt whose worker died.

    `how` describes what the driver observed, such as an exit code. If the time limit killed the worker, the error gives
    the limit and the worker's stack instead.
    """
    stood = read_note(segment.note)
    if not stood:
        return how
    assert segment.seconds_allowed is not None
    return (
        f"killed after {segment.seconds_allowed / 3600:g} h (resources.hours_per_attempt)\n"
        f"Where it was:\n{stood}"
    )


class MachineFault(Exception):  # noqa: N818 - reads as what happened
    """The error for a machine that lacks the device, the images, or the store of checkpoints. Every trial needs these."""


def _run(
    segment: Segment, is_stopped: Callable[[], bool], tell_seconds: float | None
) -> Iterator[Record]:
    started = clock()
    segment = replace(segment, threads=threads_here(segment.threads))
    outcome = Outcome(step=0, host=socket.gethostname())
    try:
        torch.set_num_threads(segment.threads)
        torch.manual_seed(segment.seed)
        split, device = _prepare(segment)
        checkpoints = _checkpoints(segment, split)
        outcome = replace(outcome, device=computed_on(device, checkpoints))
        if segment.timing is not None:
            if tell_seconds is not None:
                yield Activity(step=0, doing="timing")
            latency, scored = _time(segment, segment.timing)
            yield Evaluation(step=0, measurements=(*measurements_of(latency), *scored))
            refuse_slow(latency, segment.timing.limit)
            torch.manual_seed(segment.seed)  # the measurement drew a random image
        chosen = architecture(segment.family, segment.knobs)
        network = network_to_train(chosen, segment.scale, segment.train)
        for record in train(
            network,
            split,
            segment.train,
            seed=segment.seed,
            checkpoints=checkpoints,
            until_step=segment.until_step,
            is_stopped=is_stopped,
            tell_seconds=tell_seconds,
        ):
            outcome = replace(outcome, step=record.step)
            if isinstance(record, Evaluation):
                _push(segment)
            yield record
        outcome = replace(outcome, step=segment.until_step)
    except Exception as error:
        outcome = replace(outcome, **_judged(error))
    else:
        with suppress(OSError, MachineFault):  # they only take up disk space
            _forget_older(segment)
    yield replace(outcome, seconds=clock() - started)


def _time(segment: Segment, timing: Timing) -> tuple[Latency, list[Measurement]]:
    """Returns the latency of the segment's network, measured now, and the NTIRE scores that are objectives of the
    sweep.

    Raises MachineFault if the sweep's other latencies were measured on another device or in another way.
    """

    def time_here(network: Architecture, limit: float | None) -> Latency:
        device = pick_device(segment.train.device)
        return time_network(network, segment.scale, device, segment.threads, limit)

    network = architecture(segment.family, segment.knobs)
    measured = time_here(network, timing.limit)
    key = key_of(measurements_of(measured)[0])
    if timing.key and key != timing.key:
        raise MachineFault(another_key(key, timing.key))
    found = []
    for name in timing.scores:
        baseline = RULES[name].baseline
        base = time_here(baseline, None)
        measured = with_doubt_of(measured, base)
        own, theirs = (
            use_of(network, segment.scale, measured),
            use_of(baseline, segment.scale, base),
        )
        found.append(measurement_of(name, own, theirs))
    return measured, found


def _judged(error: Exception) -> dict[str, Any]:
    """Returns the fields of the Outcome that describe an error.

    A known error is described in one line, and any other error by its traceback.
    """
    if isinstance(error, TrainingFailed):
        return {"error": str(error), "final": True}
    if isinstance(error, (CheckpointFailed, MachineFault)):
        return {"error": str(error), "machine_fault": True}
    if isinstance(error, TooSlow):
        return {"error": str(error), "too_slow": True}
    if isinstance(error, UserError):
        return {"error": str(error)}
    return {"error": traceback.format_exc(), "out_of_memory": lacks_memory(error)}


def _prepare(segment: Segment) -> tuple[DataSplit, str]:
    """Fetches the trial's earlier checkpoints and opens the images.

    Returns the images and the model name of the device. Raises MachineFault if the device, the images or the store of
    checkpoints is not available.
    """
    try:
        device = device_name(segment.train)
        split = open_data(segment.data, segment.scale, segment.cache)
    except (UserError, OSError) as error:
        raise MachineFault(str(error)) from error
    if segment.mirror is not None:
        earlier = range(segment.attempt, 0, -1)
        names = [checkpoint_path(segment.folder, attempt).name for attempt in earlier]
        with _blaming(segment.mirror):
            segment.mirror.fetch(segment.folder, names)
    return split, device


def _push(segment: Segment) -> None:
    """Copies the newest checkpoint to the object store, if the sweep uses one."""
    if segment.mirror is not None:
        with _blaming(segment.mirror):
            segment.mirror.push(checkpoint_path(segment.folder, segment.attempt))


@contextmanager
def _blaming(mirror: Mirror) -> Iterator[None]:
    """Turns every error of an object store into a MachineFault.

    All types of exceptions are caught, because the package of each object store defines its own.
    """
    try:
        yield
    except Exception as error:
        raise MachineFault(f"checkpoints: {mirror.url}: {type(error).__name__}: {error}") from error


def device_name(settings: TrainSettings) -> str:
    """Returns the model name of the device that training runs on."""
    return device_model(pick_device(settings.device))


def computed(settings: TrainSettings, threads: int) -> str:
    """Returns the conditions that rounding errors depend on, such as '2 threads, float32' or 'CUDA, bfloat16'.

    If this text differs between two runs, the last bits of their results may differ.
    """
    device = pick_device(settings.device)
    precision = "bfloat16" if pick_autocast(settings.computed_precision, device) else "float32"
    # On a processor, sums are split over the threads. On a GPU, the number of host threads changes no result.
    where = f"{threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else "CUDA"
    return f"{where}, {precision}"


def computed_on(device: str, checkpoints: Checkpoints) -> str:
    """Returns the text for the attempt's column `device`: the device and the result of `computed`.

    If the attempt resumes from a state that was computed under other conditions, the text mentions this.
    """
    state = newest_state(checkpoints, "cpu")
    before = checkpoints.computed if state is None else str(state.get("computed", "unknown"))
    how = f", {checkpoints.computed}"
    if before != checkpoints.computed:
        how += f" (resumed from {before})"
    return device[: DEVICE_LENGTH - len(how)] + how


def training_of(segment: Segment, split: DataSplit) -> Training:
    """Returns a description of the training run that the segment belongs to.

    Only checkpoints of this run can be resumed.
    """
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
        variant=_variant(segment),
        write=checkpoint_path(segment.folder, segment.attempt),
        read=tuple(checkpoint_path(segment.folder, attempt) for attempt in earlier),
        computed=computed(segment.train, segment.threads),
    )


def _variant(segment: Segment) -> dict[str, Any]:
    """Returns what a checkpoint records about its network: family, knobs, scale and, with rounding, `quantize`."""
    variant = {"family": segment.family, "knobs": segment.knobs, "scale": segment.scale}
    quantize = segment.train.quantize
    return variant if quantize is None else variant | {"quantize": quantize}


def _forget_older(segment: Segment) -> None:
    """Deletes the checkpoints of older attempts once this attempt has written a checkpoint."""
    if checkpoint_path(segment.folder, segment.attempt).exists():
        older = [checkpoint_path(segment.folder, attempt) for attempt in range(1, segment.attempt)]
        for path in older:
            path.unlink(missing_ok=True)
            remove_unfinished(path.parent, path.name)
        if segment.mirror is not None:
            with _blaming(segment.mirror):
                segment.mirror.forget(path.name for path in older)
