"""The plain values that training yields and that the database returns. No SQL and no Ray."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

State = Literal["running", "paused", "complete", "stopped", "failed"]
"""The state of a trial.

running: an attempt trains it. paused: it has a checkpoint and may go on. complete: it reached the full number of
steps. stopped: halving gave it up at a lower step, or its latency exceeded the budget before the first step; its
scores do not count as final. failed: an error ended it.
"""
VALIDATION = "validation"
"""Dataset of the images that guide a search. Each test set has its own name."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number about a trial."""

    step: int
    """Optimiser steps done at the time; 0 for a cost."""
    dataset: str
    """'train', 'validation', the name of a test set, or '' for a number that needs no images."""
    name: str
    """'psnr_y' in dB, 'ssim_y', 'loss', 'seconds' of training so far, or the name of a cost."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of a network during its training, yielded once its checkpoint is on disk."""

    step: int
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A sign of life between two evaluations, for display."""

    step: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a segment of training."""

    step: int
    """Optimiser steps reached."""
    error: str = ""
    """Traceback or one line; empty if the segment reached its end."""
    device: str = ""
    host: str = ""
    seconds: float = 0.0
    """Duration of the segment."""
    interrupted: bool = field(default=False)
    """Whether something outside ended the segment (Ctrl-C, a lost worker). The trial is not at fault and runs again."""
    out_of_memory: bool = False
    """Whether memory ran out, or may have: a process that was killed from outside leaves no reason. If other trials
    ran beside this one, it gets another attempt alone."""
    final: bool = False
    """Whether the error would return on any machine: the loss is not a number, or it has diverged."""
    machine_fault: bool = False
    """Whether the machine caused the error (a full disk, missing images), not the network."""
    too_slow: bool = False
    """Whether the error is a latency above the budget. Such a trial is stopped, not failed."""

    def excused(self) -> "Outcome":
        """Returns the same outcome with its error marked as not counted against the trial."""
        return replace(self, error=f"{EXCUSED}{self.error}") if self.error else self

    def completed(self, step: int, seconds: float) -> "Outcome":
        """Returns the outcome with step and seconds filled in if the worker died before it could report them.

        `step` and `seconds` are what the driver saw from outside.
        """
        if self.seconds:
            return self
        return replace(self, step=max(self.step, step), seconds=seconds)


Record = Progress | Evaluation | Outcome
"""What a segment of training yields."""


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as the database holds it, with everything from which a search is rebuilt."""

    id: int
    number: int
    family: str
    knobs: dict[str, Any]
    architecture: str
    """Key of the canonical architecture."""
    label: str
    seed: int
    state: State
    attempts: int
    errors: int
    """Number of attempts that ended with an error that counts against the trial."""
    until_step: int = 0
    """Step at which the newest attempt was to end."""
    measurements: list[Measurement] = field(default_factory=list)
    """In order of step."""


def together(records: Iterable[Record], until_step: int) -> Iterator[tuple[Record, ...]]:
    """Yields records one by one, except that the evaluation at `until_step` comes with the outcome after it."""
    last: tuple[Record, ...] = ()
    for record in records:
        if isinstance(record, Evaluation) and record.step == until_step:
            last = (record,)
        else:
            yield (*last, record)
            last = ()


EXCUSED = "not counted against the trial: "
"""The beginning of an error that does not count against its trial."""


def is_counted(error: str) -> bool:
    """Whether the stored error of an attempt counts against its trial."""
    return bool(error) and not error.startswith(EXCUSED)
