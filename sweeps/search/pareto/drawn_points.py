"""Configurations of an Optuna study whose space is too large to list or has continuous parameters."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from optuna.distributions import BaseDistribution

from searchspace.errors import UserError
from sweeps.search.pareto.parameters import CostScale, Encoder
from sweeps.search.pareto.points import Allowed, CostFunction, Points
from sweeps.search.pareto.surrogate import Floats, Ints
from sweeps.search.pareto.walk import Point, Space, completed, drawn, neighbours

SAMPLE_MARGIN = 0.1
"""Share of its width by which a cost's range in a sample is extended at both ends, because a sample misses the extremes."""
DRAWS_PER_POINT = 50
"""Maximum number of configurations that are drawn to get one that is allowed."""
MAX_NEAR = 16
"""Maximum number of members of the front whose neighbours become candidates."""

Counted = tuple[Point, tuple[float, ...]]
"""A configuration and its costs."""


class DrawnPoints(Points):
    """Random configurations, redrawn for each suggestion. Only the rows that `keep` has returned remain."""

    grows = True

    def __init__(
        self,
        space: Space,
        count_costs: CostFunction,
        *,
        minimized: Sequence[str],
        allowed: Allowed | None,
        log_costs: bool,
        seed: int,
        size: int,
    ) -> None:
        """Draws a sample of `size` configurations and takes the ranges of the costs from it.

        Each suggestion compares about 2 * `size` configurations. Raises UserError if hardly any configuration is
        allowed.
        """
        self.space, self.count_costs, self.allowed = space, count_costs, allowed
        self.minimized, self.seed, self.size = tuple(minimized), seed, size
        self._points: list[Point] = []
        self._costs: list[tuple[float, ...]] = []
        self._rows: dict[frozenset[tuple[str, float]], int] = {}
        self._num_kept = 0
        sample = self._sample(size, np.random.default_rng(seed))
        if not sample:
            raise UserError("constraints: hardly any configuration of the space meets them")
        distributions: dict[str, list[BaseDistribution]] = {}
        for each, _ in sample:
            for name, of in each.distributions.items():
                distributions.setdefault(name, []).append(of)
        self.encoder = Encoder(distributions)
        columns = np.array([costs for _, costs in sample], np.float64).reshape(len(sample), -1)
        self.scale = CostScale(
            dict(zip(count_costs(sample[0][0].params), columns.T, strict=True)),
            np.ones(len(sample), np.bool_),
            log=log_costs,
            margin=SAMPLE_MARGIN,
        )

    @property
    def feasible(self) -> Ints:
        return np.arange(self._num_kept, len(self._points))

    def __len__(self) -> int:
        return len(self._points)

    def row(self, item: Point) -> int | None:
        known = self._rows.get(frozenset(item.values.items()), len(self))
        if known < self._num_kept:
            return known
        if completed(self.space, item, np.random.default_rng(0)) != item:
            return None
        self._cut()
        return self._keep(
            item, tuple(float(cost) for cost in self.count_costs(item.params).values())
        )

    def item(self, row: int) -> Point:
        return self._points[row]

    def raw(self, rows: Ints) -> tuple[Floats, Floats]:
        chosen = rows.tolist()
        costs = np.array([self._costs[row] for row in chosen], np.float64)
        values = self.encoder.matrix([self._points[row] for row in chosen])
        return values, costs.reshape(len(chosen), len(self.scale.names))

    def draw(self, near: Sequence[int], random: np.random.Generator) -> Ints:
        self._cut()
        if len(near) > MAX_NEAR:
            near = random.choice(near, MAX_NEAR, replace=False).tolist()
        close = [each for row in near for each in neighbours(self.space, self._points[row], random)]
        if len(close) > self.size:
            close = [close[i] for i in random.choice(len(close), self.size, replace=False)]
        for each in close:
            self._try(each)
        for each, costs in self._sample(self.size, random):
            self._add(each, costs)
        return self.feasible

    def neighbours(self, row: int) -> list[int]:
        own = self._points[row]
        random = np.random.default_rng([self.seed, crc32(self.encoder.matrix([own]).tobytes())])
        found = [self._try(each) for each in neighbours(self.space, own, random)]
        return [other for other in dict.fromkeys(found) if other is not None and other != row]

    def allows(self, row: int) -> bool:
        return True  # `neighbours` returns only allowed ones

    def keep(self, row: int) -> int:
        if row < self._num_kept:
            return row
        each, costs = self._points[row], self._costs[row]
        self._cut()
        return self._keep(each, costs)

    def _keep(self, each: Point, costs: tuple[float, ...]) -> int:
        row = self._add(each, costs)
        self._num_kept = row + 1
        return row

    def _cut(self) -> None:
        """Removes the rows that are not kept."""
        for each in self._points[self._num_kept :]:
            del self._rows[frozenset(each.values.items())]
        del self._points[self._num_kept :], self._costs[self._num_kept :]

    def _add(self, each: Point, costs: tuple[float, ...]) -> int:
        row = self._rows.setdefault(frozenset(each.values.items()), len(self))
        if row == len(self):
            self._points.append(each)
            self._costs.append(costs)
        return row

    def _try(self, each: Point) -> int | None:
        """Adds a configuration and returns its row, or None if it is not allowed."""
        known = self._rows.get(frozenset(each.values.items()))
        if known is not None:
            return known
        costs = self._allowed_costs(each)
        return None if costs is None else self._add(each, costs)

    def _allowed_costs(self, each: Point) -> tuple[float, ...] | None:
        params = each.params
        costs = self.count_costs(params)
        if self.allowed is not None and not self.allowed(params, costs):
            return None
        return tuple(float(cost) for cost in costs.values())

    def _sample(self, size: int, random: np.random.Generator) -> list[Counted]:
        found: list[Counted] = []
        for _ in range(DRAWS_PER_POINT * size):
            each = drawn(self.space, random)
            costs = None if each is None else self._allowed_costs(each)
            if each is not None and costs is not None:
                found.append((each, costs))
            if len(found) == size:
                break
        return found
