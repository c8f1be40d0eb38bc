"""What a sweep may still spend, whether it is worth it, and whose weights it keeps."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import moocore
import numpy as np

from sweeps.config.sweep_config import Direction, SweepConfig
from sweeps.engine.trial_state import Trial

GAIN = "expected_gain"
"""Of a sweep's facts, one a trial: the gain that its suggestion was expected to bring."""
SMALL_GAINS = 3
"""So many suggestions in a row that are expected to gain little end a sweep."""


class Patience:
    """Whether new trials are still expected to gain the share of the hypervolume that `search.min_gain` asks for."""

    def __init__(self, least: float | None) -> None:
        self.least, self.small = least, 0

    def note(self, gain: float) -> None:
        """Take note of what a suggestion is expected to gain."""
        self.small = self.small + 1 if self.least is not None and gain < self.least else 0

    def recall(self, numbers: Iterable[int], facts: Mapping[str, str]) -> None:
        """As many small gains in a row as when the sweep was left: what has ended stays at its end."""
        for number in sorted(numbers):
            self.note(float(facts.get(f"{GAIN} {number}", math.inf)))

    @property
    def is_over(self) -> bool:
        """Whether no more trials are to be started."""
        return self.small >= SMALL_GAINS


def spent_steps(trials: Iterable[Trial], config: SweepConfig) -> int:
    """Optimiser steps done or handed out."""
    return sum(
        t.step if t.state in ("stopped", "failed") else config.rungs[t.target] for t in trials
    )


def affordable(trials: Collection[Trial], config: SweepConfig, steps: int) -> bool:
    """Whether so many more optimiser steps are within the search's steps and hours."""
    search = config.search
    if search.steps is not None and spent_steps(trials, config) + steps > search.steps:
        return False
    return search.hours is None or sum(trial.seconds for trial in trials) < search.hours * 3600


def without_weights(trials: Collection[Trial], config: SweepConfig) -> list[Trial]:
    """The trials that have ended and whose training states `search.keep_weights` does not ask for."""
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
    """For each point whether no other is at least as good in all objectives and better in one."""
    if not values:
        return []
    table = np.array([[point[name] for name in objectives] for point in values], np.float64)
    maximized = [direction == "maximize" for direction in objectives.values()]
    kept = moocore.is_nondominated(table, maximise=maximized, keep_weakly=True)
    return [bool(each) for each in kept]
