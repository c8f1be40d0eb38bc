"""Plain data classes for what training yields and what the database returns. This module imports neither SQL nor Ray."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

MAX_STEPS = 1_000_000_000
"""Maximum number of optimiser steps in one training run."""

SWEEP_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""Pattern for the name of a new sweep. `sweeps.config.places.name_fault` adds another rule."""

State = Literal["running", "paused", "complete", "stopped", "failed"]
"""The state of a trial.

running: an attempt is training the trial. paused: no attempt is training it, and a later attempt may continue it.
complete: it was trained for the full number of steps. stopped: halving ended it before the full number of steps, or its
latency exceeded the budget. Its scores do not count as final. failed: an error ended it.
"""
VALIDATION = "validation"
"""Dataset name of the validation images, which guide a search. Each test set has its own dataset name."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number that was measured or counted for a trial."""

    step: int
    """Number of optimiser steps before the measurement. It is 0 for a cost and for a latency measured before
    training."""
    dataset: str
    """'train', 'validation' or the name of a test set. For a latency, the name of the device. '' for a cost."""
    name: str
    """The measured quantity: 'psnr_y' or 'psnr_rgb' in dB, 'ssim_y', 'loss', 'seconds' of training so far, a cost, or a
    latency in milliseconds."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of a network during its training.

    Training yields an Evaluation after it has written the checkpoint.
    """

    step: int
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The current training loss. Training yields it between two evaluations, for the progress display."""

    step: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class Activity:
    """The current activity of a worker, for the progress display. Yielded only if a driver asks for it."""

    step: int
    doing: Literal["timing", "training", "evaluating"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a segment of training ended."""

    step: int
    """Number of optimiser steps done when the segment ended."""
    error: str = ""
    """The error that ended the segment: one line for a known kind of error, otherwise a traceback. '' if there was
    none."""
    device: str = ""
    host: str = ""
    seconds: float = 0.0
    """Duration of the segment in seconds."""
    interrupted: bool = field(default=False)
    """Whether a cause outside the trial ended the segment, such as Ctrl-C or a lost worker. The trial is not at fault,
    so it runs again."""
    out_of_memory: bool = False
    """Whether memory ran out or may have run out. A process that was killed from outside gives no reason, so its memory
    may have run out. If other trials ran at the same time, the trial gets another attempt, in which it runs alone."""
    final: bool = False
    """Whether the error would occur again on any machine, because the loss is not a number or training has diverged."""
    machine_fault: bool = False
    """Whether the machine, not the network, caused the error. Examples are a full disk and missing images."""
    too_slow: bool = False
    """Whether the error is a latency above the budget. The trial's state is then 'stopped', not 'failed'."""

    def excused(self) -> "Outcome":
        """Returns a copy whose error is marked as not counting against the trial.

        An outcome without an error is returned unchanged.
        """
        return replace(self, error=f"{EXCUSED}{self.error}") if self.error else self

    def completed(self, step: int, seconds: float) -> "Outcome":
        """Returns this outcome, with step and seconds filled in if the worker died before it could report them.

        `step` and `seconds` are the values that the driver observed from outside.
        """
        if self.seconds:
            return self
        return replace(self, step=max(self.step, step), seconds=seconds)


TELL_SECONDS = 1.0
"""Seconds between two activities that a worker reports to a driver on the same machine."""
Record = Progress | Activity | Evaluation | Outcome
"""A value that a segment of training yields."""


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as the database stores it. A search can be rebuilt from the rows of all its trials."""

    id: int
    number: int
    family: str
    knobs: dict[str, Any]
    """The values of the knobs and of the recipe's settings, by name. Names of settings begin with `train.`."""
    architecture: str
    """Key of the trial's canonical architecture and its recipe."""
    label: str
    seed: int
    state: State
    attempts: int
    errors: int
    """Number of attempts whose errors count against the trial."""
    until_step: int = 0
    """The step at which the newest attempt was due to end."""
    error: str = ""
    """The error of the newest attempt; '' if it has none."""
    seconds: float = 0.0
    """Total duration of all attempts, in seconds."""
    measurements: list[Measurement] = field(default_factory=list)
    """The trial's measurements in ascending order of step."""


def together(records: Iterable[Record], until_step: int) -> Iterator[tuple[Record, ...]]:
    """Yields each record in a separate tuple, except that the last evaluation and the next outcome share one.

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
"""The beginning of an attempt's error if the error does not count against the trial."""


def is_counted(error: str) -> bool:
    """Returns whether the stored error of an attempt counts against its trial. An empty error does not count."""
    return bool(error) and not error.startswith(EXCUSED)
