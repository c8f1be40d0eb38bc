"""The part of the costs among which a person will choose, such as networks of 50K to 150K parameters.

The hypervolume then counts only budgets within this part (`sweeps.search.pareto.expected_improvement`). A configuration
that costs more than the upper end adds nothing. One that costs less than the lower end may still add something, because
it fits in all these budgets. The weighting of a hypervolume by what a person prefers follows Zitzler et al. 2007, with a
weight of 1 inside and 0 outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchspace.errors import UserError
from searchspace.quantity import format_quantity
from searchspace.table.knob_functions import Ints
from searchspace.table.space_table import SpaceTable

Floats = NDArray[np.float64]

MARGIN = 0.02
"""How far the budgets go beyond the upper end, as a share of the width, so that a configuration at this end counts too."""

LEAST = 1e-3
"""Minimum distance by which the budgets go beyond the upper end, so that a range with a single cost has budgets too."""


@dataclass(frozen=True)
class Focus:
    """A range of each scaled cost, with both ends."""

    low: Floats
    """(D,): the lower ends, at least 0."""
    high: Floats
    """(D,): the upper ends, at least `low` and at most 1."""

    def reaches(self, costs: Floats) -> NDArray[np.bool_]:
        """Returns a mask (N,) of the configurations with `costs` (N, D) that fit in some budget of the focus."""
        return np.asarray((costs <= self.high + 1e-9).all(1), np.bool_)

    def holds(self, costs: Floats) -> NDArray[np.bool_]:
        """Returns a mask (N,) of the configurations whose `costs` (N, D) all lie in their ranges."""
        return np.asarray((costs >= self.low - 1e-9).all(1) & self.reaches(costs), np.bool_)

    def of(self, axis: int) -> tuple[float, float, float]:
        """Returns both ends of the range on an axis, and the largest budget that counts."""
        low, high = float(self.low[axis]), float(self.high[axis])
        return low, high, high + max(MARGIN * (high - low), LEAST)


def everything(dimensions: int) -> Focus:
    """Returns the focus on all budgets of `dimensions` costs."""
    return Focus(np.zeros(dimensions), np.ones(dimensions))


def rows_within(table: SpaceTable, rows: Ints, ranges: Mapping[str, tuple[float, float]]) -> Ints:
    """Returns those of the feasible `rows` of a table whose costs lie in all `ranges`, which are given by the cost's name.

    Raises UserError if there are none.
    """
    inside = np.ones(len(rows), np.bool_)
    held = []
    for name, (low, high) in ranges.items():
        counted = table.costs[name][rows]
        inside &= (counted >= low) & (counted <= high)
        held.append(f"{name} {_words(counted.min().item(), counted.max().item())}")
    if not inside.any():
        wanted = " and ".join(f"{name} {_words(*ends)}" for name, ends in ranges.items())
        raise UserError(
            f"search.focus: must hold an architecture within the budget, but none has {wanted}; they have "
            f"{' and '.join(held)}"
        )
    return rows[inside]


def _words(low: float, high: float) -> str:
    return f"from {format_quantity(low)} to {format_quantity(high)}"
