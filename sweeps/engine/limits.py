"""The limits of a sweep: how much it may still train, whether more trials are worth it, and which weights it keeps."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import moocore
import numpy as np

from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.repeats import Repeats
from sweeps.engine.trial_state import Trial
from sweeps.search.gates import passes
from sweeps.search.settings import Direction

GAIN = "expected_gain"
"""Prefix of the names of stored facts. Each such fact holds the gain that the sampler expected of one trial."""
SMALL_GAINS = 3
"""Number of successive suggestions with an expected gain below `search.min_gain` after which a sweep ends."""


class Patience:
    """A counter that decides whether new trials are still expected to enlarge the hypervolume enough.

    `least` is `search.min_gain`, as a share of the hypervolume. If it is None, every gain is enough.
    """

    def __init__(self, least: float | None) -> None:
        self.least, self.small = least, 0

    def note(self, gain: float) -> None:
        """Counts a suggestion whose expected `gain`, a share of the hypervolume, is too small.

        Any other suggestion resets the count.
        """
        self.small = self.small + 1 if self.least is not None and gain < self.least else 0

    def recall(self, numbers: Iterable[int], facts: Mapping[str, str]) -> None:
        """Restores the count from the stored `facts` about the trials with these `numbers`.

        A sweep that ended because gains were small therefore does not start again.
        """
        for number in sorted(numbers):
            self.note(float(facts.get(f"{GAIN} {number}", math.inf)))

    @property
    def is_over(self) -> bool:
        """Whether the sweep should start no more trials."""
        return self.small >= SMALL_GAINS


def spent_steps(trials: Iterable[Trial], config: SweepConfig) -> int:
    """Returns the number of optimiser steps that the trials have done or still have to do to reach their rungs."""
    return sum(
        t.step if t.state in ("stopped", "failed") else config.rungs[t.target] for t in trials
    )


def affordable(trials: Collection[Trial], config: SweepConfig, steps: int) -> bool:
    """Returns whether `search.steps` allows `steps` more optimiser steps and `search.hours` is not used up."""
    search = config.search
    if search.steps is not None and spent_steps(trials, config) + steps > search.steps:
        return False
    return search.hours is None or sum(trial.seconds for trial in trials) < search.hours * 3600


def without_weights(repeats: Iterable[Repeats], config: SweepConfig) -> list[Trial]:
    """Returns the finished trials whose training states may be deleted under `search.keep_weights`.

    `front` keeps all complete trials of each architecture whose means are on the front. An architecture takes part once
    all its trials have finished. Until one of them passes the gates, the front is computed from all of them, so that no
    sweep ends without weights.
    """
    keep = config.search.keep_weights
    if keep == "all":
        return []
    repeats = list(repeats)
    ended = [each for each in repeats if each.is_finished and each.complete]
    kept: list[bool] = [False] * len(ended)
    if keep == "front":
        values = [each.values(config) for each in ended]
        passing = [passes(point, config.gates) for point in values]
        best = [point for point, counts in zip(values, passing, strict=True) if counts] or values
        counting = iter(non_dominated(best, config.objectives))
        kept = [next(counting) if counts or best is values else False for counts in passing]
    lost = [t for each, keeps in zip(ended, kept, strict=True) if not keeps for t in each.complete]
    trials = [trial for each in repeats for trial in each.trials]
    return lost + [trial for trial in trials if trial.state in ("stopped", "failed")]


def non_dominated(
    values: Sequence[Mapping[str, float]], objectives: Mapping[str, Direction]
) -> list[bool]:
    """Returns for each point whether no other point dominates it.

    Each point maps the names of the objectives to values. A point dominates another point if it is at least as good
    in all objectives and better in at least one.
    """
    if not values:
        return []
    table = np.array([[point[name] for name in objectives] for point in values], np.float64)
    maximized = [direction == "maximize" for direction in objectives.values()]
    kept = moocore.is_nondominated(table, maximise=maximized, keep_weakly=True)
    return [bool(each) for each in kept]
