"""Plain values that training yields and that the database returns. This module needs neither SQL nor Ray."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

MAX_STEPS = 1_000_000_000
"""The largest number of optimiser steps of one training."""

SWEEP_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""The names that a new sweep may have. `sweeps.config.places.name_fault` has a further rule."""

State = Literal["running", "paused", "complete", "stopped", "failed"]
"""The state of a trial.

running: an attempt is training the trial. paused: no attempt is training it, and a later attempt may continue it.
complete: it was trained for the full number of steps. stopped: halving ended it before the full number of steps, or its
latency exceeded the budget; its scores do not count as final. failed: an error ended it.
"""
VALIDATION = "validation"
"""Dataset name of the images that guide a search. Each test set has its own name."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number that was measured or counted for a trial."""

    step: int
    """Optimiser steps done before the measurement. 0 for a cost, and for a latency measured before training."""
    dataset: str
    """'train', 'validation' or the name of a test set. For a latency, the name of the device. '' for a cost."""
    name: str
    """'psnr_y' and 'psnr_rgb' in dB, 'ssim_y', 'loss', 'seconds' of training so far, the name of a cost, or the name of a latency in
    milliseconds."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of a network during its training. Training yields them after it has written the checkpoint."""

    step: int
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The current training loss, yielded between two evaluations for the progress display."""

    step: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What a worker does now, yielded only for the progress display and only if a driver asks for it."""

    step: int
    doing: Literal["timing", "training", "evaluating"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a segment of training ended."""

    step: int
    """Number of optimiser steps that the training had reached."""
    error: str = ""
    """Traceback, or one line for an error of a known kind. Empty if no error ended the segment."""
    device: str = ""
    host: str = ""
    seconds: float = 0.0
    """Duration of the segment in seconds."""
    interrupted: bool = field(default=False)
    """Whether something outside the trial ended the segment, such as Ctrl-C or a lost worker. The trial is not at fault
    and runs again."""
    out_of_memory: bool = False
    """Whether memory ran out or may have run out: a process that was killed from outside leaves no reason. If other
    trials ran beside this trial, it gets another attempt without them."""
    final: bool = False
    """Whether the error would occur again on any machine: the loss is not a number, or training has diverged."""
    machine_fault: bool = False
    """Whether the machine caused the error, for example by a full disk or missing images, and not the network."""
    too_slow: bool = False
    """Whether the error is a latency above the budget. Such a trial is stopped, not failed."""

    def excused(self) -> "Outcome":
        """Returns a copy whose error is marked as not counted against the trial.

        An outcome without an error is returned unchanged.
        """
        return replace(self, error=f"{EXCUSED}{self.error}") if self.error else self

    def completed(self, step: int, seconds: float) -> "Outcome":
        """Returns the outcome with the step and the seconds filled in if the worker died before it could report them.

        `step` and `seconds` are the values that the driver observed from outside.
        """
        if self.seconds:
            return self
        return replace(self, step=max(self.step, step), seconds=seconds)


TELL_SECONDS = 1.0
"""Seconds between two activities that a training worker tells a driver on the same machine."""
Record = Progress | Activity | Evaluation | Outcome
"""A value that a segment of training yields."""


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as the database stores it. The rows of all trials are enough to rebuild a search."""

    id: int
    number: int
    family: str
    knobs: dict[str, Any]
    """The knobs, and the settings of the recipe with `train.` before their names."""
    architecture: str
    """Key of the trial's architecture in its canonical form, with its recipe."""
    label: str
    seed: int
    state: State
    attempts: int
    errors: int
    """Number of attempts that ended with an error that counts against the trial."""
    until_step: int = 0
    """Step up to which the newest attempt was to train."""
    error: str = ""
    """The error of the newest attempt; '' if it has none."""
    seconds: float = 0.0
    """Duration of all attempts in seconds."""
    measurements: list[Measurement] = field(default_factory=list)
    """The trial's measurements in ascending order of step."""


def together(records: Iterable[Record], until_step: int) -> Iterator[tuple[Record, ...]]:
    """Yields each record alone in a tuple, except that the last evaluation shares a tuple with the outcome after it.

    The last evaluation is the evaluation at `until_step`, where the segment ends.
    """
    last: tuple[Record, ...] = ()
    for record in records:
        if isinstance(record, Evaluation) and record.step == until_step:
            last = (record,)
        else:
            yield (*last, record)
            last = ()


EXCUSED = "not counted against the trial: "
"""The words with which the error of an attempt begins if it does not count against the trial."""


def is_counted(error: str) -> bool:
    """Returns whether the stored error of an attempt counts against its trial. An empty error does not count."""
    return bool(error) and not error.startswith(EXCUSED)
