"""Encodes the parameters of Optuna trials as numbers from 0 to 1, for the model of the search.

The rules are those of `sweeps.search.pareto.encoding`. A numeric parameter has one column, which holds the position of
the value in its range, on a logarithmic scale if the range is logarithmic. Choices that are numbers in ascending order
count as numeric. Their column holds the position in the list. Any other parameter has one column per choice, with
sqrt(0.5) for the chosen one and 0 for the others. Where a parameter does not apply, its columns hold 0.5.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from searchspace.errors import UserError
from sweeps.search.pareto.surrogate import Floats, Ints
from sweeps.search.pareto.walk import Point, count, position


class Encoder:
    """Turns parameters into features."""

    def __init__(self, distributions: Mapping[str, Iterable[BaseDistribution]]) -> None:
        """`distributions` maps each parameter to all its possible distributions. Other parameters get no columns."""
        self.names = tuple(distributions)
        self.merged = [_merged(name, list(each)) for name, each in distributions.items()]
        """For each parameter, a distribution that spans all of its distributions."""
        self.columns: list[tuple[int, int]] = []
        """For each column, (index of its parameter, index of the choice that it marks). The second is -1 for a position."""
        for place, distribution in enumerate(self.merged):
            if count(distribution) > 1:
                marks = [-1] if _is_ordered(distribution) else range(int(count(distribution)))
                self.columns += [(place, mark) for mark in marks]
        places = [place for place, _ in self.columns]
        self.groups: Ints = np.unique(np.array(places, np.int64), return_inverse=True)[1]
        """(columns,): the number of the parameter that each column encodes."""

    def matrix(self, points: Sequence[Point]) -> Floats:
        """Returns the values (N, names) as Optuna stores them, with NaN where a parameter does not apply."""
        found = [[each.values.get(name, np.nan) for name in self.names] for each in points]
        return np.array(found, np.float64).reshape(len(points), len(self.names))

    def features(self, values: Floats) -> Floats:
        """Returns the features (N, columns) of `values` (N, names)."""
        features = np.empty((len(values), len(self.columns)))
        for number, (place, mark) in enumerate(self.columns):
            own = values[:, place]
            if mark >= 0:
                column = np.sqrt(0.5) * (own == mark)
            else:
                column = _positions(self.merged[place], own)
            features[:, number] = np.where(np.isnan(own), 0.5, column)
        return features


def _merged(name: str, given: Sequence[BaseDistribution]) -> BaseDistribution:
    """Returns a distribution that spans all of `given`."""
    first = given[0]
    if all(each == first for each in given):
        return first
    if any(isinstance(each, CategoricalDistribution) for each in given):
        raise UserError(f"{name}: a parameter needs the same choices everywhere; use two names")
    return FloatDistribution(
        min(each.low for each in given),
        max(each.high for each in given),
        log=all(each.log for each in given),
    )


def _is_ordered(distribution: BaseDistribution) -> bool:
    if not isinstance(distribution, CategoricalDistribution):
        return True
    choices = distribution.choices
    numeric = all(isinstance(choice, int | float) for choice in choices)
    return numeric and all(a < b for a, b in zip(choices, choices[1:], strict=False))


def _positions(distribution: BaseDistribution, values: Floats) -> Floats:
    if isinstance(distribution, CategoricalDistribution):
        return values / (len(distribution.choices) - 1)
    unique, inverse = np.unique(values, return_inverse=True)
    places = [np.nan if np.isnan(v) else position(distribution, float(v)) for v in unique]
    return np.array(places, np.float64)[inverse]


class CostScale:
    """Scales costs so that feasible configurations have costs from 0 to 1.

    If the range of a cost is known only from a sample of configurations, this holds only roughly.
    """

    def __init__(
        self, costs: Mapping[str, Floats], feasible: NDArray[np.bool_], *, log: bool, margin: float
    ) -> None:
        """Determines the range of each cost over the `feasible` rows. `costs` holds the values (rows,) by name.

        `margin` is a share of the range that is added at both ends. With `log`, the scale is logarithmic. Raises
        UserError if a cost is not finite, or if the scale is logarithmic and a cost is not positive.
        """
        self.names, self.log = tuple(costs), log
        self.low, self.span = np.zeros(len(costs)), np.ones(len(costs))
        for place, (name, of) in enumerate(costs.items()):
            own = of[feasible].astype(np.float64)
            if not np.isfinite(own).all() or (log and (own <= 0).any()):
                wanted = "a positive number, or pass log_costs=False" if log else "a finite number"
                raise UserError(f"cost {name}: every configuration needs {wanted}")
            own = np.log(own) if log else own
            room = margin * np.ptp(own)
            self.low[place] = own.min() - room
            self.span[place] = max(np.ptp(own) + 2 * room, 1e-9)

    def __call__(self, costs: Floats) -> Floats:
        """Returns the scaled costs of `costs` (N, costs)."""
        if self.log:
            costs = np.log(np.maximum(costs, 1e-300))
        return (costs - self.low) / self.span
