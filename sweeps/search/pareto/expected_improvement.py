"""Expected improvement of the hypervolume, with exact costs and an uncertain PSNR.

The hypervolume is the integral, over all budgets, of the best PSNR that a budget affords above the floor. A budget
limits each cost, and costs run from 0 to 1. A new network improves the hypervolume at every budget that it fits in
and where its PSNR is higher than the best PSNR known.

A worked example with one cost, which `test_expected_improvement.py` checks. The floor is 28 dB and two networks are
known:

    cost 0.2    30 dB
    cost 0.6    32 dB

They cut the budgets into cells. The last one ends a little beyond 1, so that the most expensive network counts too:

    budget         width    best known
    0 to 0.2       0.2      28 dB, the floor
    0.2 to 0.6     0.4      30 dB
    0.6 to 1.02    0.42     32 dB

The volume is 0.4 * 2 + 0.42 * 4 = 2.48. A network of cost 0.4 fits in 0.2 of the second cell and in all of the third:

    certain 31 dB    0.2 * 1            = 0.20
    certain 33 dB    0.2 * 3 + 0.42 * 1 = 1.02

For an uncertain PSNR, each height is replaced by its expectation. With top = 34 dB, closeness -log(34 - PSNR) of mean
-1.1 and standard deviation 0.3, the PSNR is 31.0 dB in the median. It exceeds 30 dB by 0.98 dB and 32 dB by 0.02 dB on
average, so the gain is 0.2 * 0.98 + 0.42 * 0.02 = 0.20.
"""

from itertools import product

import numpy as np
from scipy.special import ndtr

from sweeps.search.pareto.surrogate import Floats

EDGES = {1: 160, 2: 32, 3: 10}
"""Largest number of edges between cells on each axis, by number of costs."""


class Budgets:
    """The budgets, cut into cells, with the best PSNR known in each cell."""

    def __init__(self, costs: Floats, psnr: Floats, floor: float) -> None:
        """Cut the budgets at the costs of the known networks.

        `costs` (M, D) in [0, 1] and `psnr` (M,) in dB describe these; `floor` in dB is the best PSNR at budgets that
        none of them fits in.
        """
        dimensions = costs.shape[1]
        limit = EDGES.get(dimensions, 6)
        edges = [_edges(costs[:, axis], limit) for axis in range(dimensions)]
        cells = list(product(*(range(len(each) - 1) for each in edges)))
        index = np.array(cells, np.int64).reshape(len(cells), dimensions)
        self.lower = np.stack([edges[a][index[:, a]] for a in range(dimensions)], 1)
        self.upper = np.stack([edges[a][index[:, a] + 1] for a in range(dimensions)], 1)
        within = (costs[None] <= self.lower[:, None] + 1e-9).all(2)
        best = np.where(within, psnr, floor).max(1, initial=floor)
        self.levels, self.level = np.unique(best, return_inverse=True)
        self.volume = float(((self.upper - self.lower).prod(1) * (best - floor)).sum())

    def expected_gain(self, costs: Floats, mean: Floats, deviation: Floats, top: float) -> Floats:
        """Return the expected improvement (N,) of the hypervolume by candidates with exact `costs` (N, D).

        `mean` and `deviation` (N,) describe the closeness -log(top - PSNR), so that top - PSNR is log-normal. The
        expected height above a level is then the Black-Scholes price of a put option.
        """
        share = np.ones((len(costs), len(self.level)))
        for axis in range(costs.shape[1]):
            start = np.maximum(self.lower[:, axis], costs[:, axis, None])
            share *= np.maximum(self.upper[:, axis] - start, 0)
        by_level = np.zeros((len(costs), len(self.levels)))
        order = np.argsort(self.level, kind="stable")
        starts = np.searchsorted(self.level[order], np.arange(len(self.levels)))
        by_level = np.add.reduceat(share[:, order], starts, axis=1)
        room = np.maximum(top - self.levels, 1e-9)
        ahead = (np.log(room) + mean[:, None]) / deviation[:, None]
        gap = np.exp(0.5 * np.square(deviation) - mean)[:, None]
        improvement = np.maximum(room * ndtr(ahead) - gap * ndtr(ahead - deviation[:, None]), 0.0)
        return (by_level * improvement).sum(1)


def _edges(values: Floats, limit: int) -> Floats:
    """Return 0, the distinct values and 1.02. Of more than `limit` values, evenly spaced ones are taken by rank."""
    inner = np.unique(np.clip(values, 0, 1))
    if len(inner) > limit:
        inner = inner[np.linspace(0, len(inner) - 1, limit).astype(np.int64)]
    return np.unique(np.concatenate([[0.0], inner, [1.02]]))
