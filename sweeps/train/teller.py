"""Tells what a training does, for the progress display."""

import time
from collections.abc import Iterator

from sweeps.records import Activity


class Teller:
    """Yields an Activity before each evaluation and every `seconds` of training. None: it yields nothing."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.told = seconds, time.monotonic()

    def evaluating(self, step: int) -> Iterator[Activity]:
        """Yields that the network is being evaluated after `step` optimiser steps."""
        if self.seconds is not None:
            yield Activity(step=step, doing="evaluating")

    def training(self, step: int) -> Iterator[Activity]:
        """Yields that `step` optimiser steps are done, if the last time is `seconds` ago."""
        if self.seconds is not None and time.monotonic() - self.told >= self.seconds:
            self.told = time.monotonic()
            yield Activity(step=step, doing="training")
