"""The trials of a search: their configurations, their scores, and the scores that the model learns from.

A score is maximized. A search may have several scores, so a score is an array with one entry per objective.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sweeps.search.pareto.surrogate import Floats, Ints, Observations, spaced

MAX_OBSERVED = 800
"""Maximum number of scores of this sweep that the model learns from. `_kept` chooses them."""

Point = tuple[int, int, Floats]
"""An optimiser step, the row of a configuration, and its scores at that step."""


@dataclass(kw_only=True)
class Known:
    """The trial of one configuration, and its results so far."""

    row: int
    curve: dict[int, Floats] = field(default_factory=dict)
    """Maps an optimiser step to the scores (objectives,) at this step."""
    repeats: dict[int, tuple[int, Floats]] = field(default_factory=dict)
    """Maps an optimiser step to the number of training runs behind the mean in `curve`, and to the sample variances
    (objectives,) of their scores. A step without an entry has one training run."""
    running: bool = True
    failed: bool = False
    stopped: bool = False
    """Whether the trial was stopped before its full training and will not continue."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The full training runs of one configuration in an earlier sweep."""

    sweep: int
    """Number of the earlier sweep, counted from 0."""
    row: int
    scores: Floats
    """(objectives,): the means over `count` training runs."""
    count: int
    variance: Floats
    """(objectives,): the sample variances over the training runs."""


class Trials:
    """All trials of a search, and the full training runs of earlier sweeps."""

    def __init__(self, steps: int, levels: Iterable[int]) -> None:
        """`steps` is the length of a full training run in optimiser steps, and `levels` are shorter lengths."""
        self.steps = steps
        self.levels = tuple(sorted({steps, *levels}, reverse=True))
        self.known: dict[int, Known] = {}
        """Maps the row of each configuration to its trial."""
        self.earlier: list[Earlier] = []

    @property
    def ends(self) -> dict[int, Floats]:
        """Maps the row of each configuration that was trained in full to its final scores."""
        steps = self.steps
        return {row: k.curve[steps] for row, k in self.known.items() if steps in k.curve}

    @property
    def rows_seen(self) -> set[int]:
        """Rows of the configurations for which the model has a score."""
        return {row for _, row, _ in self._points()} | {each.row for each in self.earlier}

    def observations(
        self, features: Callable[[Ints], Floats], objective: int, front: Container[int] = ()
    ) -> Observations:
        """Returns the measured scores of one objective. Each length of training is a task, and so is each earlier sweep.

        `features` computes the features of rows, and `front` holds the rows on the Pareto front.
        """
        points = self._kept(self._points(), front)
        rows = [row for _, row, _ in points] + [each.row for each in self.earlier]
        task = [self.levels.index(step) for step, _, _ in points]
        task += [len(self.levels) + each.sweep for each in self.earlier]
        scores = [of[objective] for _, _, of in points]
        scores += [each.scores[objective] for each in self.earlier]
        repeats = [self.known[row].repeats.get(step) for step, row, _ in points]
        counts = [1 if each is None else each[0] for each in repeats]
        apart = [0.0 if each is None else each[1][objective] for each in repeats]
        counts += [each.count for each in self.earlier]
        apart += [each.variance[objective] for each in self.earlier]
        return Observations(
            features=features(np.array(rows, np.int64)),
            task=np.array(task, np.int64),
            trial=np.array(rows, np.int64),
            psnr=np.array(scores, np.float64),
            count=np.array(counts, np.int64),
            variance=np.array(apart, np.float64),
        )

    def _points(self) -> list[Point]:
        """Returns the measured scores that count.

        Scores of a shorter length count only if some trial ended or paused at that length. Otherwise, they are
        evaluations in the course of a full training run. Such evaluations add little information to the final score and
        would make the model too certain.
        """
        halted = {
            max(k.curve) for k in self.known.values() if k.curve and not k.running and not k.failed
        }
        levels = {step for step in self.levels if step in halted} | {self.steps}
        return [
            (step, known.row, scores)
            for known in self.known.values()
            if not known.failed
            for step, scores in known.curve.items()
            if step in levels
        ]

    def _kept(self, points: Sequence[Point], front: Container[int]) -> list[Point]:
        """Returns at most MAX_OBSERVED of the `points`, in descending order of step.

        The longest training runs are kept. If the runs of one length do not all fit, half of the room goes to runs on
        the front. Half of the remaining room goes to the newest runs, which show the region where the search is now.
        The rest goes to evenly spaced older runs, which keep the search from returning to poor regions.
        """
        kept: list[Point] = []
        for level in self.levels:
            own = [point for point in points if point[0] == level]
            room = MAX_OBSERVED - len(kept)
            if len(own) > room:
                best = [point for point in own if point[1] in front]
                best = [best[i] for i in spaced(len(best), min(len(best), room // 2))]
                rest = [point for point in own if point[1] not in front]
                left = room - len(best)
                split = max(0, len(rest) - (left + 1) // 2)
                older = [rest[i] for i in spaced(split, min(split, left // 2))]
                own = [*best, *older, *rest[split:]]
            kept += own
        return kept
