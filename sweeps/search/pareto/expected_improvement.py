"""Computes a network's expected gain in hypervolume from its exact costs and an uncertain PSNR.

A budget is an upper limit on each cost, and costs run from 0 to 1. The floor is a PSNR that a network must exceed to
have any value. Each budget has a height: the best PSNR among the known networks within the budget, minus the floor. The
hypervolume is the integral of the height over all budgets. A new network raises the height of a budget if it fits in
the budget and exceeds the budget's best PSNR.

A worked example with one cost, which `test_expected_improvement.py` checks. The floor is 28 dB and two networks are
known:

    cost 0.2    30 dB
    cost 0.6    32 dB

Their costs cut the budgets into cells. The last cell ends at 1.02, so that a network of cost 1 counts too:

    budget         width    best PSNR
    0 to 0.2       0.2      28 dB, the floor
    0.2 to 0.6     0.4      30 dB
    0.6 to 1.02    0.42     32 dB

The hypervolume is 0.4 * 2 + 0.42 * 4 = 2.48. A network of cost 0.4 fits in the budgets from 0.4 to 0.6, which are a
part of width 0.2 of the second cell, and in the whole third cell. If its PSNR is certain, the network adds

    at 31 dB    0.2 * 1            = 0.20
    at 33 dB    0.2 * 3 + 0.42 * 1 = 1.02

If its PSNR is uncertain, each difference of PSNRs is replaced by its expected value. The model predicts the closeness
-log(top - PSNR). Say top is 34 dB, and the closeness has mean -1.1 and standard deviation 0.3. The median of the
PSNR is then 31.0 dB. On average, the PSNR exceeds 30 dB by 0.98 dB and 32 dB by 0.02 dB, so the expected gain is
0.2 * 0.98 + 0.42 * 0.02 = 0.20.

Another uncertain objective, such as a latency, adds an axis to the budgets. The coordinate of a network on this axis is
a random gap. The width of a cell is therefore replaced by the cell's expected overlap with the budgets that the network
fits in. Say the gap in the example is not exactly 0.4, but log-normal with median 0.4, and its logarithm has standard
deviation 0.5. The network then covers on average 0.003 of the first cell, 0.190 instead of 0.2 of the second, and 0.381
instead of 0.42 of the last. A certain PSNR of 31 dB adds 0.003 * 3 + 0.190 * 1 = 0.199. Because the objectives are
independent in the model, the expected gain is still a sum of products. See Emmerich et al. 2008 and Couckuyt et al.
2014.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import ndtr

from sweeps.search.pareto.focus import Focus, everything
from sweeps.search.pareto.surrogate import Floats

EDGES = {1: 160, 2: 32, 3: 10}
"""Maps the number of costs to the maximum number of edges between cells on the axis of each cost."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The coordinates of N candidates on the axis of an uncertain objective. They are log-normal."""

    mean: Floats
    """(N,): the mean of the logarithm of the coordinate. A coordinate is above 0, and about 1 for a poor network."""
    deviation: Floats
    """(N,): the standard deviation of the logarithm."""


class Budgets:
    """All budgets, cut into cells, and the best PSNR of the known networks in each cell."""

    def __init__(
        self, costs: Floats, psnr: Floats, floor: float, focus: Focus | None = None
    ) -> None:
        """Cuts the budgets into cells at the costs of the known networks.

        The known networks have `costs` (M, D) in [0, 1] and `psnr` (M,) in dB. A PSNR up to `floor`, in dB, has no
        value. The last axes may be those of uncertain objectives. If there is no axis, there is one cell of volume 1.
        With `focus`, only budgets within it count; it has as many axes as `costs`.
        """
        dimensions = costs.shape[1]
        limit = EDGES.get(dimensions, 6)
        focus = focus or everything(dimensions)
        edges = [_edges(costs[:, axis], limit, *focus.of(axis)) for axis in range(dimensions)]
        cells = list(product(*(range(len(each) - 1) for each in edges)))
        index = np.array(cells, np.int64).reshape(len(cells), dimensions)
        self._edges, self._index = edges, index
        self.lower, self.upper = np.empty(index.shape), np.empty(index.shape)
        for axis in range(dimensions):
            self.lower[:, axis] = edges[axis][index[:, axis]]
            self.upper[:, axis] = edges[axis][index[:, axis] + 1]
        within = (costs[None] <= self.lower[:, None] + 1e-9).all(2)
        best = np.where(within, psnr, floor).max(1, initial=floor)
        self.levels, self.level = np.unique(best, return_inverse=True)
        self.volume = float(((self.upper - self.lower).prod(1) * (best - floor)).sum())

    def expected_gain(
        self,
        costs: Floats,
        mean: Floats,
        deviation: Floats,
        top: float,
        gaps: Sequence[Gap] = (),
    ) -> Floats:
        """Returns the expected gain (N,) in hypervolume of each candidate.

        The candidates have exact `costs` (N, D). The closeness -log(top - PSNR) of a candidate is normally distributed
        with `mean` and `deviation` (N,), so top - PSNR is log-normal. `top` is in dB. The expected excess over a given
        PSNR is then the Black-Scholes price of a put option. `gaps` holds the coordinates on the axes of the uncertain
        objectives. These axes follow the D axes of the exact costs.
        """
        share = np.ones((len(costs), len(self.level)))
        for axis in range(costs.shape[1]):
            start = np.maximum(self.lower[:, axis], costs[:, axis, None])
            share *= np.maximum(self.upper[:, axis] - start, 0)
        for axis, gap in enumerate(gaps, costs.shape[1]):
            below = _put(self._edges[axis], gap.mean, gap.deviation)
            place = self._index[:, axis]
            share *= below[:, place + 1] - below[:, place]
        by_level = np.zeros((len(costs), len(self.levels)))
        order = np.argsort(self.level, kind="stable")
        starts = np.searchsorted(self.level[order], np.arange(len(self.levels)))
        by_level = np.add.reduceat(share[:, order], starts, axis=1)
        room = np.maximum(top - self.levels, 1e-9)
        return (by_level * _put(room, -mean, deviation)).sum(1)


def _put(strikes: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Returns the expected value of max(strike - X, 0), where log X is normal with `mean` and `deviation` (N,).

    `strikes` (K,) are at least 0. The result has shape (N, K). The difference between the results for two strikes is
    the integral of the probability that X is at most u, for u between the strikes. Source: Black and Scholes 1973,
    without interest.
    """
    ahead = (np.log(np.maximum(strikes, 1e-300)) - mean[:, None]) / deviation[:, None]
    average = np.exp(0.5 * np.square(deviation) + mean)[:, None]
    return np.maximum(strikes * ndtr(ahead) - average * ndtr(ahead - deviation[:, None]), 0.0)


def _edges(values: Floats, limit: int, low: float, high: float, end: float) -> Floats:
    """Returns `low`, the distinct values in between, and `end`. Keeps at most `limit` distinct values, evenly spaced
    by rank.

    Values outside `low` and `high` count as the nearer of both.
    """
    inner = np.unique(np.clip(values, low, high))
    if len(inner) > limit:
        inner = inner[np.linspace(0, len(inner) - 1, limit).astype(np.int64)]
    return np.unique(np.concatenate([[low], inner, [end]]))
