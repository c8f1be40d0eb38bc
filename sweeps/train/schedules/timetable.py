"""The training settings that a learning-rate schedule may look at."""

from typing import Protocol


class Timetable(Protocol):
    """The part of `TrainSettings` that schedules read; every count is in optimiser steps."""

    @property
    def steps(self) -> int:
        """Full length of a training."""

    @property
    def halve_every(self) -> int:
        """Steps between halvings."""

    @property
    def restarts(self) -> tuple[int, ...] | None:
        """Steps after which the rate starts anew, in increasing order."""
