"""Reports what a training run is doing, for the progress display."""

import time
from collections.abc import Iterator

from sweeps.records import Activity


class Teller:
    """Yields an Activity before each evaluation and every `seconds` seconds of training.

    If `seconds` is None, yields nothing.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.told = seconds, time.monotonic()

    def evaluating(self, step: int) -> Iterator[Activity]:
        """Yields the activity of evaluating the network after `step` optimiser steps."""
        if self.seconds is not None:
            yield Activity(step=step, doing="evaluating")

    def training(self, step: int) -> Iterator[Activity]:
        """Yields the activity of training after `step` optimiser steps, at most once in `seconds` seconds."""
        if self.seconds is not None and time.monotonic() - self.told >= self.seconds:
            self.told = time.monotonic()
            yield Activity(step=step, doing="training")
