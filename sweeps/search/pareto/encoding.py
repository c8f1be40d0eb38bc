"""What the model of `sampler: pareto` sees of an architecture: knobs and costs as numbers from 0 to 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from searchspace.table.space_table import SpaceTable
from sweeps.search.pareto.surrogate import Floats, Ints

MODELLED_COSTS = ("params", "multadds", "activations", "num_convs")
"""Costs whose logarithms the model sees beside the knobs."""


@dataclass(frozen=True)
class Column:
    """One number that is made of a knob, or of the family."""

    owner: int
    """Number of the family in the space."""
    place: int
    """Of the knob among the family's dimensions; -1: the column says whether it is this family."""
    value: int
    """Number of the value that the column tells from the others; -1: it holds the value's place among them."""


class Features:
    """Costs and features of the rows of a table."""

    def __init__(self, table: SpaceTable, feasible: Ints, minimized: Sequence[str]) -> None:
        """`feasible` (M,): the rows within the budget, whose costs span 0 to 1."""
        self.table, self.feasible, self.minimized = table, feasible, tuple(minimized)
        columns, groups = _columns(table)
        self.columns = columns
        first = max(groups, default=-1) + 1
        groups += range(first, first + len(MODELLED_COSTS))
        self.groups: Ints = np.array(groups, np.int64)
        """(columns,): the knob that each is made of; each cost is one of its own."""
        self.is_cost: NDArray[np.bool_] = np.arange(len(self.groups)) >= len(columns)
        """(columns,)"""

    @cached_property
    def log_costs(self) -> dict[str, Floats]:
        """Logarithms of the costs of all rows, 0 at the least and 1 at the most feasible."""
        scaled = {}
        for name in dict.fromkeys((*self.minimized, *MODELLED_COSTS)):
            logs = np.log(np.maximum(self.table.costs[name], 1).astype(np.float64))
            low, high = logs[self.feasible].min(), logs[self.feasible].max()
            scaled[name] = (logs - low) / max(high - low, 1e-9)
        return scaled

    def costs(self, rows: Ints) -> Floats:
        """(N, objectives): the costs that are minimized."""
        return np.stack([self.log_costs[name][rows] for name in self.minimized], 1)

    def of(self, rows: Ints) -> Floats:
        """(N, columns): knobs as their place among the values, or one column a value, then log costs."""
        features = np.full((len(rows), len(self.groups)), 0.5)
        for owner, family in enumerate(self.table.families):
            own = self.table.owners[rows] == owner
            digits = family.grid.digits(self.table.numbers[rows[own]])
            for number, column in enumerate(self.columns):
                if column.place == -1:
                    features[own, number] = np.sqrt(0.5) * (column.owner == owner)
                elif column.owner == owner and column.value == -1:
                    last = family.grid.radices[column.place] - 1
                    features[own, number] = digits[column.place] / last
                elif column.owner == owner:
                    features[own, number] = np.sqrt(0.5) * (digits[column.place] == column.value)
        for offset, name in enumerate(MODELLED_COSTS):
            features[:, len(self.columns) + offset] = self.log_costs[name][rows]
        return features


def _columns(table: SpaceTable) -> tuple[list[Column], list[int]]:
    """The columns of the knobs, and for each the number of its knob."""
    columns: list[Column] = []
    groups: list[int] = []
    if len(table.families) > 1:
        columns += [Column(owner, -1, 0) for owner in range(len(table.families))]
        groups += [0] * len(table.families)
    for owner, family in enumerate(table.families):
        for place, dimension in enumerate(family.grid.part.dimensions):
            if len(dimension.values) < 2:
                continue
            values = [-1] if dimension.ordered else list(range(len(dimension.values)))
            groups += [max(groups, default=-1) + 1] * len(values)
            columns += [Column(owner, place, value) for value in values]
    return columns, groups
