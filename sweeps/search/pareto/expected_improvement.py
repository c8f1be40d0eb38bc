"""Computes how much a network is expected to enlarge the hypervolume, given its exact costs and an uncertain PSNR.

A budget is an upper limit on each cost, and costs run from 0 to 1. The floor is a PSNR that a network must exceed to
be worth anything. Each budget has a height: the best PSNR among the known networks within the budget, minus the floor.
The hypervolume is the integral of the height over all budgets. A new network raises the height of each budget that the
network fits in and whose best PSNR it exceeds.

A worked example with one cost, which `test_expected_improvement.py` checks. The floor is 28 dB and two networks are
known:

    cost 0.2    30 dB
    cost 0.6    32 dB

Their costs cut the budgets into cells. The last cell ends at 1.02, so that a network of cost 1 counts too:

    budget         width    best PSNR
    0 to 0.2       0.2      28 dB, the floor
    0.2 to 0.6     0.4      30 dB
    0.6 to 1.02    0.42     32 dB

The hypervolume is 0.4 * 2 + 0.42 * 4 = 2.48. A network of cost 0.4 fits in the budgets from 0.4 to 0.6, a part of the
second cell with width 0.2, and in the whole third cell. If its PSNR is certain, it adds

    at 31 dB    0.2 * 1            = 0.20
    at 33 dB    0.2 * 3 + 0.42 * 1 = 1.02

If its PSNR is uncertain, each difference of PSNRs is replaced by its expected value. The model predicts the closeness
-log(top - PSNR). Say top is 34 dB, and the closeness has mean -1.1 and standard deviation 0.3. The median of the
PSNR is then 31.0 dB. On average, the PSNR exceeds 30 dB by 0.98 dB and 32 dB by 0.02 dB, so the expected gain is
0.2 * 0.98 + 0.42 * 0.02 = 0.20.
"""

from itertools import product

import numpy as np
from scipy.special import ndtr

from sweeps.search.pareto.surrogate import Floats

EDGES = {1: 160, 2: 32, 3: 10}
"""Number of costs -> the largest number of edges between cells on the axis of each cost."""


class Budgets:
    """All budgets, cut into cells, and the best PSNR of the known networks in each cell."""

    def __init__(self, costs: Floats, psnr: Floats, floor: float) -> None:
        """Cuts the budgets into cells at the costs of the known networks.

        The known networks have `costs` (M, D) in [0, 1] and `psnr` (M,) in dB. A PSNR up to `floor`, in dB, is worth
        nothing.
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
        """Returns how much each candidate is expected to add to the hypervolume (N,).

        The candidates have exact `costs` (N, D). The closeness -log(top - PSNR) of a candidate is normally distributed
        with `mean` and `deviation` (N,), so top - PSNR is log-normal. `top` is in dB. The expected excess over a given
        PSNR is then the Black-Scholes price of a put option.
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
    """Returns 0, the distinct values and 1.02. Keeps at most `limit` distinct values, evenly spaced by rank."""
    inner = np.unique(np.clip(values, 0, 1))
    if len(inner) > limit:
        inner = inner[np.linspace(0, len(inner) - 1, limit).astype(np.int64)]
    return np.unique(np.concatenate([[0.0], inner, [1.02]]))
