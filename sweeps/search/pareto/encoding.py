"""What the model of `sampler: pareto` sees of an architecture: knobs and costs as numbers from 0 to 1.

A knob whose values are ordered numbers is one column that holds the value's place. Any other knob has one column per
value. The family is such a knob, when there are several. The logarithms of four costs follow. Columns of a knob that
another family owns hold 0.5.

An example, which `test_encoding.py` checks, with knobs n_feats: [8, 16, 32] and upsampler: [direct, nearest]:

                                 n_feats   direct   nearest   four costs
    n_feats 8,  direct           0         0.71     0         ...
    n_feats 16, nearest          0.5       0        0.71      ...
    n_feats 32, nearest          1         0        0.71      ...

Two different values of a knob without order are at distance sqrt(0.5 + 0.5) = 1 from each other, as are the smallest
and the largest value of a knob with order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from searchspace.table.space_table import SpaceTable
from sweeps.search.pareto.surrogate import Floats, Ints

MODELLED_COSTS = ("params", "multadds", "activations", "num_convs")
"""Costs whose logarithms the model sees in addition to the knobs."""


@dataclass(frozen=True)
class Column:
    """One number that encodes a knob, or the family."""

    owner: int
    """Number of the family in the space."""
    place: int
    """Number of the knob among the family's dimensions. -1: the column tells whether `owner` is the family."""
    value: int
    """Number of the value that the column marks. -1: the column holds the place of the knob's value."""


class Features:
    """Costs and features of the rows of a table of architectures."""

    def __init__(self, table: SpaceTable, feasible: Ints, minimized: Sequence[str]) -> None:
        """Scale the costs so that those of the rows `feasible` (M,) span 0 to 1; `minimized` names the objectives."""
        self.table, self.feasible, self.minimized = table, feasible, tuple(minimized)
        columns, groups = _columns(table)
        self.columns = columns
        first = max(groups, default=-1) + 1
        groups += range(first, first + len(MODELLED_COSTS))
        self.groups: Ints = np.array(groups, np.int64)
        """(columns,): the number of the knob that each column encodes. Each cost has a number of its own."""
        self.is_cost: NDArray[np.bool_] = np.arange(len(self.groups)) >= len(columns)
        """(columns,): whether the column is a cost."""

    @cached_property
    def log_costs(self) -> dict[str, Floats]:
        """Name -> logarithms of the costs of all rows (rows,). The feasible rows span 0 to 1."""
        scaled = {}
        for name in dict.fromkeys((*self.minimized, *MODELLED_COSTS)):
            logs = np.log(np.maximum(self.table.costs[name], 1).astype(np.float64))
            low, high = logs[self.feasible].min(), logs[self.feasible].max()
            scaled[name] = (logs - low) / max(high - low, 1e-9)
        return scaled

    def costs(self, rows: Ints) -> Floats:
        """Return the costs among the objectives (N, costs) of `rows` (N,)."""
        return np.stack([self.log_costs[name][rows] for name in self.minimized], 1)

    def of(self, rows: Ints) -> Floats:
        """Return the features (N, columns) of `rows` (N,)."""
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
    """Return the columns of the knobs, and the number of each column's knob."""
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
