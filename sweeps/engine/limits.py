"""How much a sweep may still spend, whether more trials are worth it, and which weights it keeps."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import moocore
import numpy as np

from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.trial_state import Trial
from sweeps.search.settings import Direction

GAIN = "expected_gain"
"""Prefix of the stored facts that hold, for each trial, the gain that the sampler expected of it."""
SMALL_GAINS = 3
"""Suggestions in a row with a small expected gain that end a sweep."""


class Patience:
    """Decides whether new trials are still expected to raise the hypervolume by `search.min_gain`."""

    def __init__(self, least: float | None) -> None:
        self.least, self.small = least, 0

    def note(self, gain: float) -> None:
        """Note the gain that the sampler expects of a suggestion."""
        self.small = self.small + 1 if self.least is not None and gain < self.least else 0

    def recall(self, numbers: Iterable[int], facts: Mapping[str, str]) -> None:
        """Restore the count of small gains in a row, so that a sweep that has ended does not start again."""
        for number in sorted(numbers):
            self.note(float(facts.get(f"{GAIN} {number}", math.inf)))

    @property
    def is_over(self) -> bool:
        """Whether the sweep should start no more trials."""
        return self.small >= SMALL_GAINS


def spent_steps(trials: Iterable[Trial], config: SweepConfig) -> int:
    """Optimiser steps that are done or handed out."""
    return sum(
        t.step if t.state in ("stopped", "failed") else config.rungs[t.target] for t in trials
    )


def affordable(trials: Collection[Trial], config: SweepConfig, steps: int) -> bool:
    """Whether `steps` more optimiser steps fit into `search.steps` and `search.hours`."""
    search = config.search
    if search.steps is not None and spent_steps(trials, config) + steps > search.steps:
        return False
    return search.hours is None or sum(trial.seconds for trial in trials) < search.hours * 3600


def without_weights(trials: Collection[Trial], config: SweepConfig) -> list[Trial]:
    """The trials that have ended and whose training states `search.keep_weights` does not keep."""
    keep = config.search.keep_weights
    if keep == "all":
        return []
    complete = [trial for trial in trials if trial.state == "complete"]
    kept: list[bool] = [False] * len(complete)
    if keep == "front":
        values = [trial.values(config.scale) for trial in complete]
        kept = non_dominated(values, config.objectives)
    lost = [trial for trial, keeps in zip(complete, kept, strict=True) if not keeps]
    return lost + [trial for trial in trials if trial.state in ("stopped", "failed")]


def non_dominated(
    values: Sequence[Mapping[str, float]], objectives: Mapping[str, Direction]
) -> list[bool]:
    """For each point, whether no other point dominates it.

    A point dominates another if it is at least as good in all objectives and better in one.
    """
    if not values:
        return []
    table = np.array([[point[name] for name in objectives] for point in values], np.float64)
    maximized = [direction == "maximize" for direction in objectives.values()]
    kept = moocore.is_nondominated(table, maximise=maximized, keep_weakly=True)
    return [bool(each) for each in kept]
