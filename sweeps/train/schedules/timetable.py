"""The training settings that a learning-rate schedule may read."""

from typing import Protocol


class Timetable(Protocol):
    """The part of `TrainSettings` that learning-rate schedules read. All its values are in optimiser steps."""

    @property
    def steps(self) -> int:
        """Number of steps of a full training run."""

    @property
    def halve_every(self) -> int:
        """Number of steps between two halvings of the learning rate."""

    @property
    def restarts(self) -> tuple[int, ...] | None:
        """Steps at which the learning rate returns to its largest value, in increasing order. None if it never returns."""
