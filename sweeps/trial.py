"""One segment of a trial, run wherever a driver puts it: build, train, evaluate, report.

A segment takes a trial from its newest checkpoint to a step. Everything that a segment needs is in
it, so that it can be sent to another process or machine; everything that comes back is a record.
"""

import hashlib
import json
import platform
import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from searchspace.architecture import architecture
from sweeps.data.split import DataSettings, DataSplit, open_split
from sweeps.mirror import Mirror
from sweeps.records import Evaluation, Outcome, Progress
from sweeps.train import Checkpoints, TrainingFailed, TrainSettings, pick_device, train
from sweeps.watchdog import read_note, time_limit


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

    @property
    def note(self) -> Path:
        """The file that says where the attempt stood when its time was over."""
        return self.folder / f"attempt-{self.attempt}.timeout"


def run(segment: Segment) -> Iterator[Progress | Evaluation | Outcome]:
    """Train a segment; the last record is always an Outcome, with the error where it failed.

    Where the segment has a time limit, the process is killed when it is over.
    """
    with time_limit(segment.seconds_allowed, segment.note):
        yield from _run(segment)


def death(segment: Segment, how: str) -> str:
    """Why the process of a segment died, for the record; `how` is what was seen from outside."""
    stood = read_note(segment.note)
    if not stood:
        return how
    assert segment.seconds_allowed is not None
    return (
        f"killed after {segment.seconds_allowed / 3600:g} h (resources.hours_per_attempt); it stood at\n"
        f"{stood}"
    )


def _run(segment: Segment) -> Iterator[Progress | Evaluation | Outcome]:
    started = time.perf_counter()
    reached = 0
    error = device = ""
    out_of_memory = False
    try:
        torch.set_num_threads(segment.threads)
        torch.manual_seed(segment.seed)
        device = device_name(segment.train)
        network = architecture(segment.family, segment.knobs).network(segment.scale)
        if segment.mirror is not None:
            earlier = range(segment.attempt, 0, -1)
            names = [checkpoint_path(segment.folder, attempt).name for attempt in earlier]
            segment.mirror.fetch(segment.folder, names)
        split = open_data(segment.data, segment.scale, segment.cache)
        for record in train(
            network,
            split,
            segment.train,
            seed=segment.seed,
            checkpoints=_checkpoints(segment, split),
            until_step=segment.until_step,
        ):
            reached = record.step
            if segment.mirror is not None and isinstance(record, Evaluation):
                segment.mirror.push(checkpoint_path(segment.folder, segment.attempt))
            yield record
        reached = segment.until_step
    except (TrainingFailed, ValueError) as failure:
        error = str(failure)
    except (torch.OutOfMemoryError, MemoryError):
        error, out_of_memory = traceback.format_exc(), True
    except Exception:
        error = traceback.format_exc()
    if not error:
        _forget_older(segment)
    yield Outcome(
        step=reached,
        error=error,
        device=device,
        host=socket.gethostname(),
        seconds=time.perf_counter() - started,
        out_of_memory=out_of_memory,
    )


_open_splits: dict[tuple[DataSettings, int, Path], DataSplit] = {}


def open_data(settings: DataSettings, scale: int, cache: Path) -> DataSplit:
    """The data of a sweep, opened once a process."""
    key = (settings, scale, cache)
    if key not in _open_splits:
        _open_splits[key] = open_split(settings, scale, cache)
    return _open_splits[key]


def device_name(settings: TrainSettings) -> str:
    """The model of the device that training will run on."""
    if pick_device(settings).type == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def checkpoint_path(folder: Path, attempt: int) -> Path:
    """Each attempt writes a file of its own: an attempt that was given up for lost may still live."""
    return folder / f"attempt-{attempt}.pt"


def _identity(segment: Segment, split: DataSplit) -> str:
    """What a checkpoint must have been trained with to be resumed by this segment."""
    trained = [
        architecture(segment.family, segment.knobs).key,
        segment.scale,
        segment.seed,
        segment.train.model_dump(mode="json", exclude={"device"}),
        split.fingerprint,
    ]
    return hashlib.sha256(json.dumps(trained, sort_keys=True).encode()).hexdigest()[:16]


def _checkpoints(segment: Segment, split: DataSplit) -> Checkpoints:
    earlier = range(segment.attempt, 0, -1)
    return Checkpoints(
        identity=_identity(segment, split),
        write=checkpoint_path(segment.folder, segment.attempt),
        read=tuple(checkpoint_path(segment.folder, attempt) for attempt in earlier),
    )


def _forget_older(segment: Segment) -> None:
    """Older attempts' checkpoints, once this attempt has written its last."""
    if checkpoint_path(segment.folder, segment.attempt).exists():
        older = [checkpoint_path(segment.folder, attempt) for attempt in range(1, segment.attempt)]
        for path in older:
            path.unlink(missing_ok=True)
        if segment.mirror is not None:
            segment.mirror.forget(path.name for path in older)
