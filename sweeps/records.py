"""What training hands to whoever called it: plain values, no SQL and no Ray."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

State = Literal["running", "paused", "complete", "stopped", "failed"]
"""Of a trial. paused: has a checkpoint, may go on. complete: reached the full number of steps. stopped: given up at a
lower step by halving, or too slow for the budget before any step; never to be read as a finished one. failed: ended by an error."""
VALIDATION = "validation"
"""Dataset of what a search may look at; the test sets have their own names."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number: what was measured, on which images, after how many optimiser steps."""

    step: int
    dataset: str
    """'train', 'validation', a test set's name, or '' for what needs no images."""
    name: str
    """'psnr_y' [dB], 'ssim_y', 'loss', 'seconds' of training so far, or a cost's name."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Yielded by training at every evaluation, after the checkpoint is safe on disk."""

    step: int
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Yielded now and then between evaluations, for people who watch."""

    step: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a segment of training ended."""

    step: int
    """Optimiser steps reached."""
    error: str = ""
    """Why it failed, a traceback or one line; empty where it reached its end."""
    device: str = ""
    host: str = ""
    seconds: float = 0.0
    interrupted: bool = field(default=False)
    """Ended from outside (Ctrl-C, a lost worker): to be run again, no fault of the trial."""
    out_of_memory: bool = False
    """The error was a lack of memory, or may have been (a process killed from outside); where others ran beside it, it
    is worth another try alone."""
    final: bool = False
    """The error would come again, whatever the machine: a loss that is no number, or has diverged."""
    machine_fault: bool = False
    """The error is the machine's (a full disk, images that are not there), whatever the network."""

    too_slow: bool = False
    """The error is a latency above the budget: the trial is stopped, not failed."""

    def excused(self) -> "Outcome":
        """The same with an error that is not counted against the trial."""
        return replace(self, error=f"{EXCUSED}{self.error}") if self.error else self

    def completed(self, step: int, seconds: float) -> "Outcome":
        """With what is known from outside where the worker died before it could tell."""
        if self.seconds:
            return self
        return replace(self, step=max(self.step, step), seconds=seconds)


Record = Progress | Evaluation | Outcome
"""What a segment of training yields."""


def together(records: Iterable[Record], until_step: int) -> Iterator[tuple[Record, ...]]:
    """The records one by one, the evaluation at `until_step` with the outcome that follows it at once."""
    last: tuple[Record, ...] = ()
    for record in records:
        if isinstance(record, Evaluation) and record.step == until_step:
            last = (record,)
        else:
            yield (*last, record)
            last = ()


EXCUSED = "not counted against the trial: "
"""How the error of an attempt begins that was no fault of its trial."""


def is_counted(error: str) -> bool:
    """Whether an attempt's stored error stands against its trial."""
    return bool(error) and not error.startswith(EXCUSED)
