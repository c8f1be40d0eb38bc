"""Expected hypervolume improvement over the plane of budgets, where costs are exact and PSNR is uncertain."""

from itertools import product

import numpy as np
from scipy.special import ndtr

from sweeps.search.pareto.surrogate import Floats

EDGES = {1: 160, 2: 32, 3: 10}
"""Budgets told apart on each axis, by number of costs."""


class Budgets:
    """The plane of budgets cut into cells, with the best PSNR known within each cell's budget."""

    def __init__(self, costs: Floats, psnr: Floats, floor: float) -> None:
        """`costs` (M, D) within [0, 1] and `psnr` (M,) of what is known; `floor` [dB] where nothing is."""
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
        """Expected hypervolume improvement (N,) of candidates with exact `costs` (N, D).

        `mean` and `deviation` (N,) are of -log(top - PSNR), so that top - PSNR is log-normal: the
        expectation over a level is that of Black and Scholes for a put option.
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
    """0, the values, and a little beyond 1; at most about `limit`, by rank."""
    inner = np.unique(np.clip(values, 0, 1))
    if len(inner) > limit:
        inner = inner[np.linspace(0, len(inner) - 1, limit).astype(np.int64)]
    return np.unique(np.concatenate([[0.0], inner, [1.02]]))
