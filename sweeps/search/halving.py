"""Multi-objective asynchronous successive halving. It chooses the paused trial to train further.

A rung is a step at which trials pause. Every trial trains to the first rung and pauses there with its checkpoint. Of
the trials that have reached a rung, one in `factor` may continue to the next rung. The order is this:

1. Trials of a better non-dominated rank go first. The ranks compare both scores and costs, so small networks that are
   good for their size are among the first.
2. Within a rank, the cost band with the smallest share of promoted trials goes first. The bands divide the trials of a
   rung by cost into groups of equal size.
3. Within a band, the trial with the largest lead goes first. A lead is measured over the trials that cost no more.

A paused trial that is not promoted stays paused until the sweep ends, because the results of other trials may still
lead to its promotion. The method extends asynchronous successive halving (Li et al. 2018, arXiv 1810.05934), which
ranks trials by a single metric. It keeps no state, so the choice depends only on the stored trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import moocore
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_BANDS = 4
"""Maximum number of cost bands at a rung."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trial, with its costs and its scores at the rungs that it has reached."""

    number: int
    costs: tuple[float, ...]
    """Values of the objectives that are costs. Smaller is better."""
    scores: tuple[tuple[float, ...], ...] = field(default=())
    """The measured objectives at each rung that the trial has reached, from the first rung on. Greater is better."""
    target: int = 0
    """Index of the rung to which the trial was last sent. As soon as the trial has scores at this rung, it waits for
    promotion."""

    @property
    def waits(self) -> bool:
        """Whether the trial waits for promotion, because it has reached the rung to which it was sent."""
        return len(self.scores) == self.target + 1


def next_promotion(
    candidates: Sequence[Candidate], num_rungs: int, factor: int
) -> Candidate | None:
    """Returns the paused trial to promote next, or None if no trial may be promoted now.

    If several rungs have such a trial, the highest rung is chosen. `num_rungs` includes the last rung, which is the
    full training. The order of `candidates` does not matter, but their numbers must be unique.
    """
    # Trials of equal cost are assigned to bands in this order.
    candidates = sorted(candidates, key=lambda each: each.number)
    for rung in range(num_rungs - 2, -1, -1):
        reached = [each for each in candidates if len(each.scores) > rung]
        chosen = _promotable(reached, rung, factor)
        if chosen is not None:
            return chosen
    return None


def _promotable(reached: Sequence[Candidate], rung: int, factor: int) -> Candidate | None:
    """Returns the best trial that waits at `rung`, or None if no more trials may be promoted from this rung."""
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
    """Returns the band (N,) of each trial. The trials are sorted by mean log cost and cut into `count` equal bands."""
    order = np.argsort(logs.mean(1), kind="stable")
    band = np.empty(len(logs), np.int64)
    band[order] = np.arange(len(logs)) * max(1, count) // len(logs)
    return band


def _lead(logs: Floats, scores: Floats) -> Floats:
    """Returns the lead (N,) of each trial over the trials that cost no more.

    `logs` is (N, costs) and `scores` is (N, metrics). The lead over one other trial is the largest difference of scores
    among the metrics, in units of the metric's standard deviation. The result is the smallest lead over the trials that
    cost no more. It is negative if one of these trials is ahead in all metrics, and infinite if there are no such
    trials.
    """
    spread = np.maximum(scores.std(0), 1e-9)
    ahead = ((scores[:, None] - scores[None]) / spread).max(2)
    no_more = (logs[None] <= logs[:, None]).all(2) & ~np.eye(len(logs), dtype=np.bool_)
    lead: Floats = np.where(no_more, ahead, np.inf).min(1)
    return lead
