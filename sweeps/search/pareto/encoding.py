"""Encodes an architecture for the model of `sampler: pareto`: its knobs and costs become numbers from 0 to 1.

A knob whose values are numbers in ascending order has one column. The column holds the position of the value in the
list of values, from 0 for the first value to 1 for the last. Any other knob has one column per value. The column of
the chosen value holds sqrt(0.5), and the others hold 0. A space of several families encodes the family in this way
too. The columns of a knob hold 0.5 for architectures of other families. The last four columns hold the logarithms of
four costs.

An example with the knobs n_feats: [8, 16, 32] and upsampler: [direct, nearest], which `test_encoding.py` checks:

                                 n_feats   direct   nearest   four costs
    n_feats 8,  direct           0         0.71     0         ...
    n_feats 16, nearest          0.5       0        0.71      ...
    n_feats 32, nearest          1         0        0.71      ...

Two different values of an unordered knob are at distance sqrt(0.5 + 0.5) = 1 from each other. The smallest and the
largest value of an ordered knob are at distance 1 too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from searchspace.predicted import PREDICTED_LATENCY
from searchspace.table.space_table import SpaceTable
from sweeps.search.pareto.surrogate import Floats, Ints

MODELLED_COSTS = ("params", "multadds", "activations", "num_convs")
"""Names of the costs whose logarithms the model sees in addition to the knobs."""

LEAST = {PREDICTED_LATENCY: 1e-6}
"""Smallest value of a cost that enters as a logarithm, if it is not 1. A latency is in milliseconds."""


@dataclass(frozen=True)
class Column:
    """One column of the features. It encodes a knob or the family, alone or together with other columns."""

    owner: int
    """Index of the column's family in the space."""
    place: int
    """Index of the knob among the family's dimensions. -1: the column shows whether an architecture belongs to
    the family `owner`."""
    value: int
    """Index of the value that the column marks. -1: the knob is ordered, and the column holds the value's position."""


class Features:
    """Computes scaled costs and features for rows of a table of architectures."""

    def __init__(self, table: SpaceTable, feasible: Ints, minimized: Sequence[str]) -> None:
        """Prepares the columns.

        `feasible` (M,) holds the rows of the architectures that meet the constraints. Their scaled costs run from 0 to
        1. `minimized` names the costs among the objectives.
        """
        self.table, self.feasible, self.minimized = table, feasible, tuple(minimized)
        columns, groups = _columns(table)
        self.columns = columns
        first = max(groups, default=-1) + 1
        groups += range(first, first + len(MODELLED_COSTS))
        self.groups: Ints = np.array(groups, np.int64)
        """(columns,): for each column, the number of the knob that it encodes. Each cost has a number of its own."""
        self.is_cost: NDArray[np.bool_] = np.arange(len(self.groups)) >= len(columns)
        """(columns,): whether each column holds a cost."""

    @cached_property
    def log_costs(self) -> dict[str, Floats]:
        """Maps the name of a cost to its logarithms (rows,), scaled so that they run from 0 to 1 over the feasible
        rows.
        """
        return {
            name: self.scaled(name, self.table.costs[name].astype(np.float64))
            for name in dict.fromkeys((*self.minimized, *MODELLED_COSTS))
        }

    def scaled(self, name: str, values: Floats) -> Floats:
        """Returns the logarithms of `values` (N,) of a cost, scaled as in `log_costs`."""
        least = LEAST.get(name, 1.0)
        own = np.log(np.maximum(self.table.costs[name][self.feasible].astype(np.float64), least))
        low, high = own.min(), own.max()
        return (np.log(np.maximum(values, least)) - low) / max(high - low, 1e-9)

    def costs(self, rows: Ints) -> Floats:
        """Returns the scaled log costs (N, costs) of `rows` (N,), in the order of `minimized`."""
        return np.stack([self.log_costs[name][rows] for name in self.minimized], 1)

    def of(self, rows: Ints) -> Floats:
        """Returns the features (N, columns) of the architectures in `rows` (N,)."""
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
    """Returns the columns that encode the family and the knobs, and for each column the number of its knob."""
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
