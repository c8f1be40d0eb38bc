"""The measured or predicted Pareto front of a search, and the budgets that it divides into cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.search.pareto.expected_improvement import Budgets
from sweeps.search.pareto.focus import Focus, everything
from sweeps.search.pareto.surrogate import Floats, Ints, Surrogate


@dataclass(frozen=True, kw_only=True)
class Front:
    """The configurations that were trained in full or are training now."""

    costs: Floats
    """(M, D): scaled costs."""
    scores: Floats
    """(M, objectives): the scores. For a trial that is running, they are predictions."""
    floors: list[float]
    """For each objective, the score that a configuration must exceed to have any value."""


@dataclass(frozen=True)
class Belief:
    """The fitted models, and the front and the budgets that they give, at one moment."""

    models: Sequence[Surrogate]
    """One fitted model per objective."""
    front: Front
    budgets: Budgets


def budgets_of(front: Front, tops: Sequence[float], focus: Focus | None = None) -> Budgets:
    """Returns the budgets, divided into cells by `front`. With `focus`, on the exact costs, only budgets in it count.

    `tops` holds one score per objective, which no configuration is expected to reach. Each objective after the first
    adds an axis. The coordinate of a configuration on this axis is (top - score) / (top - floor), so it is 1 at the
    floor.
    """
    axes = [front.costs]
    for objective in range(1, len(tops)):
        top, floor = tops[objective], front.floors[objective]
        axes.append(((top - front.scores[:, objective]) / (top - floor))[:, None])
    if focus is not None and len(tops) > 1:
        further = everything(len(tops) - 1)
        focus = Focus(
            np.append(focus.low, further.low),
            np.append(focus.high, further.high),
        )
    return Budgets(np.concatenate(axes, 1), front.scores[:, 0], front.floors[0], focus)


def non_dominated(costs: Floats, scores: Floats) -> Ints:
    """Returns the indices of the configurations that no other configuration dominates.

    `costs` (N, D) are minimized, and `scores` (N, objectives) are maximized.
    """
    front = []
    for i in range(len(costs)):
        no_worse = (costs <= costs[i]).all(1) & (scores >= scores[i]).all(1)
        if not (no_worse & (scores > scores[i]).any(1)).any():
            front.append(i)
    return np.array(front, np.int64)
