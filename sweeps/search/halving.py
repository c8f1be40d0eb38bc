"""Multi-objective asynchronous successive halving: which paused trial is worth training on.

A trial is trained to the first rung and paused there, its checkpoint kept. At every rung one in `factor` of
the trials that reached it may go on to the next. The non-dominated of the rung go first, costs included: what is small and
good for its size is among them. Of equal rank those go first whose band of costs (bands of equal numbers of trials) has had
the least promoted, and of a band the one that is furthest ahead of everything that costs no more. Nothing is given
up before the sweep ends: a paused trial may be promoted by the results of others. After asynchronous successive halving (Li et al. 2018, arXiv 1810.05934),
which ranks by one metric; the state is a function of the trials' rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.quantity import parse_quantity

Number = BeforeValidator(parse_quantity)
Floats = NDArray[np.float64]

MAX_BANDS = 4
"""Bands along the costs that a rung is cut into once it has enough trials."""


class HalvingSettings(BaseModel):
    """Rungs at min_steps, factor * min_steps, ... below the full training."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_steps: Annotated[int, Number, Field(ge=1)]
    """Optimiser steps after which a trial pauses first."""
    factor: Annotated[int, Number, Field(ge=2)] = 4
    """Steps of a rung over those of the one below; one in so many trials goes on."""

    def rungs(self, steps: int) -> tuple[int, ...]:
        """Steps of all rungs, the full training of `steps` last; one that is hardly shorter is left out."""
        rungs = []
        at = self.min_steps
        while at * 1.5 <= steps:
            rungs.append(at)
            at *= self.factor
        return (*rungs, steps)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trial with its place in the rungs."""

    number: int
    costs: tuple[float, ...]
    """The costs among the objectives."""
    scores: tuple[tuple[float, ...], ...] = field(default=())
    """For each rung reached, in order: the measured objectives, greater being better."""
    target: int = 0
    """The rung that it was last sent to; it waits for promotion once it has a score there."""

    @property
    def waits(self) -> bool:
        """Whether it has reached the rung it was sent to."""
        return len(self.scores) == self.target + 1


def next_promotion(
    candidates: Sequence[Candidate], num_rungs: int, factor: int
) -> Candidate | None:
    """The paused trial to train on next, from the highest rung that has one; None where none is due."""
    for rung in range(num_rungs - 2, -1, -1):
        reached = [each for each in candidates if len(each.scores) > rung]
        chosen = _promotable(reached, rung, factor)
        if chosen is not None:
            return chosen
    return None


def _promotable(reached: Sequence[Candidate], rung: int, factor: int) -> Candidate | None:
    """The best trial waiting at `rung`, while fewer have gone on than may."""
    promoted = [each for each in reached if each.target > rung]
    if len(promoted) >= len(reached) // factor:
        return None
    logs = np.log(np.maximum(np.array([each.costs for each in reached], np.float64), 1.0))
    logs = (logs - logs.min(0)) / np.maximum(np.ptp(logs, axis=0), 1e-9)
    band = _bands(logs, min(MAX_BANDS, len(reached) // (2 * factor)))
    scores = np.array([each.scores[rung] for each in reached], np.float64)
    ranks = non_dominated_ranks(np.column_stack([logs, -scores]))
    lead = _lead(logs, scores)
    gone = np.array([each.target > rung for each in reached], np.bool_)
    # The band that has had the least promoted for its size comes first.
    served = np.array([gone[band == each].mean() for each in band])
    waiting = [place for place, each in enumerate(reached) if each.waits and each.target == rung]
    if not waiting:
        return None
    best = min(waiting, key=lambda i: (ranks[i], served[i], -lead[i], reached[i].number))
    return reached[best]


def _bands(logs: Floats, count: int) -> NDArray[np.int64]:
    """The band (N,) of each trial: `count` bands of equal numbers along the mean of its log costs."""
    order = np.argsort(logs.mean(1), kind="stable")
    band = np.empty(len(logs), np.int64)
    band[order] = np.arange(len(logs)) * max(1, count) // len(logs)
    return band


def _lead(logs: Floats, scores: Floats) -> Floats:
    """By how much (N,) each is ahead of the best that costs no more, in its best metric; below 0 where it is behind.

    The metrics of `scores` (N, metrics) count in units of their spread. Infinite where nothing costs as little.
    """
    spread = np.maximum(scores.std(0), 1e-9)
    ahead = ((scores[:, None] - scores[None]) / spread).max(2)
    no_more = (logs[None] <= logs[:, None]).all(2) & ~np.eye(len(logs), dtype=np.bool_)
    lead: Floats = np.where(no_more, ahead, np.inf).min(1)
    return lead


def non_dominated_ranks(values: Floats) -> NDArray[np.int64]:
    """The front (N,) that each row of `values` (N, D), to be minimized, lies on: 0 is the best."""
    no_worse = (values[:, None] <= values[None]).all(2)
    better = (values[:, None] < values[None]).any(2)
    dominates: NDArray[np.bool_] = np.asarray(no_worse) & np.asarray(better)
    ranks = np.full(len(values), -1, np.int64)
    left = np.ones(len(values), np.bool_)
    rank = 0
    while left.any():
        front = left & ~dominates[left].any(0)
        ranks[front] = rank
        left &= ~front
        rank += 1
    return ranks
