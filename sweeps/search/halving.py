"""Multi-objective asynchronous successive halving: which paused trial to train further.

Every trial trains to the first rung and pauses there with its checkpoint. At each rung, one in `factor` of the trials
that reached it may go on to the next. They go in this order:

1. The better non-dominated rank goes first. The ranks compare scores and costs, so small networks that are good for
   their size are among the first.
2. Within a rank, the band of costs that has had the smallest share promoted goes first. Bands hold equal numbers of
   trials.
3. Within a band, the trial with the largest lead over everything that costs no more goes first.

Nothing is given up before the sweep ends, because the results of other trials can still promote a paused one. The
method follows asynchronous successive halving (Li et al. 2018, arXiv 1810.05934), which ranks by a single metric. Its
state is a function of the trials' rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import moocore
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_BANDS = 4
"""Bands of costs at a rung that many trials have reached."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trial and how far it has come."""

    number: int
    costs: tuple[float, ...]
    """Its values of the objectives that are costs."""
    scores: tuple[tuple[float, ...], ...] = field(default=())
    """The measured objectives at each rung that it has reached, in order. Greater is better."""
    target: int = 0
    """The rung that it was last sent to. Once it has a score there, it waits for promotion."""

    @property
    def waits(self) -> bool:
        """Whether it has reached the rung that it was sent to."""
        return len(self.scores) == self.target + 1


def next_promotion(
    candidates: Sequence[Candidate], num_rungs: int, factor: int
) -> Candidate | None:
    """Return the paused trial to promote next, from the highest rung that has one; None when none is due.

    The answer does not depend on the order of `candidates`, whose numbers must differ.
    """
    # Trials of equal cost fall into bands in this order.
    candidates = sorted(candidates, key=lambda each: each.number)
    for rung in range(num_rungs - 2, -1, -1):
        reached = [each for each in candidates if len(each.scores) > rung]
        chosen = _promotable(reached, rung, factor)
        if chosen is not None:
            return chosen
    return None


def _promotable(reached: Sequence[Candidate], rung: int, factor: int) -> Candidate | None:
    """Return the best trial that waits at `rung`; None when as many as may have gone on already."""
    promoted = [each for each in reached if each.target > rung]
    if len(promoted) >= len(reached) // factor:
        return None
    logs = np.log(np.maximum(np.array([each.costs for each in reached], np.float64), 1.0))
    logs = (logs - logs.min(0)) / np.maximum(np.ptp(logs, axis=0), 1e-9)
    band = _bands(logs, min(MAX_BANDS, len(reached) // (2 * factor)))
    scores = np.array([each.scores[rung] for each in reached], np.float64)
    ranks = moocore.pareto_rank(np.column_stack([logs, -scores]))
    lead = _lead(logs, scores)
    gone = np.array([each.target > rung for each in reached], np.bool_)
    served = np.array([gone[band == each].mean() for each in band])
    waiting = [place for place, each in enumerate(reached) if each.waits and each.target == rung]
    if not waiting:
        return None
    best = min(waiting, key=lambda i: (ranks[i], served[i], -lead[i], reached[i].number))
    return reached[best]


def _bands(logs: Floats, count: int) -> NDArray[np.int64]:
    """Return the band (N,) of each trial: `count` bands of equal size along the mean of the log costs (N, costs)."""
    order = np.argsort(logs.mean(1), kind="stable")
    band = np.empty(len(logs), np.int64)
    band[order] = np.arange(len(logs)) * max(1, count) // len(logs)
    return band


def _lead(logs: Floats, scores: Floats) -> Floats:
    """Return each trial's lead (N,) over the best trial that costs no more, in the metric where it leads most.

    `logs` is (N, costs) and `scores` (N, metrics). Leads are in units of each metric's standard deviation; they are
    negative for a trial that is behind, and infinite when no other trial costs as little.
    """
    spread = np.maximum(scores.std(0), 1e-9)
    ahead = ((scores[:, None] - scores[None]) / spread).max(2)
    no_more = (logs[None] <= logs[:, None]).all(2) & ~np.eye(len(logs), dtype=np.bool_)
    lead: Floats = np.where(no_more, ahead, np.inf).min(1)
    return lead
