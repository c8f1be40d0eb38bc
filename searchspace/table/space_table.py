"""A search space as a table: every architecture once, with its exact costs.

If a space has more than MAX_SPELLINGS combinations, the table holds a random sample. `searchspace.table.family_table`
makes the table of one family. The docstring of `searchspace.table.cost_parts` opens a worked example of how costs
add up: a toy family whose table has 36 rows.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import COSTS
from searchspace.predicted import PREDICTED_LATENCY, Rates
from searchspace.space import Space
from searchspace.table.family_table import ADDITIVE, FamilyTable
from searchspace.table.knob_functions import Ints

Floats = NDArray[np.float64]

__all__ = ["ADDITIVE", "MAX_SPELLINGS", "SpaceTable"]

MAX_SPELLINGS = 10_000_000
"""The largest number of combinations of a space whose table is complete. The table of a larger space holds a sample."""
MAX_SAMPLED = 1_000_000
"""Number of combinations that are drawn from a space with more than MAX_SPELLINGS combinations."""
MAX_COUNTED = 4_000
"""The largest number of networks that are counted for the costs of one family."""
CHUNK = 1 << 16
"""The largest number of combinations that are processed at once."""


class SpaceTable:
    """Every architecture of a space once, with its exact costs. Each architecture is one row.

    If the space has more than MAX_SPELLINGS combinations, the table holds a random sample. The constructor raises
    TableTooLarge if the costs of a family neither follow from its parts nor can be counted one by one.
    """

    def __init__(
        self,
        space: Space,
        scale: int,
        seed: int = 0,
        *,
        max_counted: int = MAX_COUNTED,
        rates: Rates | None = None,
    ) -> None:
        """Counts the costs. With `rates`, `costs` also has the predicted latency."""
        self.space, self.scale = space, scale
        self.exact = space.num_spellings <= MAX_SPELLINGS
        """Whether the table holds all architectures of the space."""
        self.families = [
            FamilyTable(part, scale, seed, max_counted, rates) for part in space.families
        ]
        numbers, owners, counted, latencies = [], [], [], []
        self._rows: list[tuple[Ints, Ints]] = []
        first = 0
        for owner, table in enumerate(self.families):
            wanted = range(table.grid.size)
            if not self.exact:
                share = MAX_SAMPLED * table.grid.size // space.num_spellings
                wanted = range(min(table.grid.size, max(1, share)))
            own, own_costs, own_latencies = _distinct(
                table, wanted, None if self.exact else Random(seed)
            )
            identity = table.identity(table.grid.digits(own))
            order = np.argsort(identity)
            self._rows.append((identity[order], first + order))
            first += len(own)
            numbers.append(own)
            owners.append(np.full(len(own), owner, np.int8))
            counted.append(own_costs)
            latencies.append(own_latencies)
        self.numbers: Ints = np.concatenate(numbers)
        """For each row, the number of the first combination, in the grid of its family, that gives the architecture."""
        self.owners = np.concatenate(owners)
        """For each row, the index of the architecture's family in `families`."""
        table_costs = np.concatenate(counted)
        self.costs: dict[str, Ints | Floats] = {
            name: table_costs[:, i] for i, name in enumerate(ADDITIVE)
        }
        """For each cost in ADDITIVE, an array with the cost of every row. With rates, also PREDICTED_LATENCY, in milliseconds."""
        if rates is not None:
            self.costs[PREDICTED_LATENCY] = np.concatenate(latencies)

    def __len__(self) -> int:
        return len(self.numbers)

    def architecture(self, row: int) -> Architecture:
        """Returns the architecture of a row."""
        table = self.families[self.owners[row]]
        digits = table.grid.digits(self.numbers[row : row + 1])
        built = table.grid.part.build(table.grid.choice([int(digit[0]) for digit in digits]))
        assert built is not None
        return built

    def row(self, architecture: Architecture) -> int | None:
        """Returns the row of an architecture, or None if it is not in the table."""
        for table, (identities, rows) in zip(self.families, self._rows, strict=True):
            digits = table.find(architecture)
            if digits is not None:
                wanted = table.identity([np.array([digit], np.int64) for digit in digits])[0]
                place = int(np.searchsorted(identities, wanted))
                if place < len(identities) and identities[place] == wanted:
                    return int(rows[place])
        return None

    def costs_of(self, architecture: Architecture) -> dict[str, int] | None:
        """Returns all costs of an architecture except its memory, by name. Returns None if the architecture is not in the table."""
        row = self.row(architecture)
        return None if row is None else {name: int(self.costs[name][row]) for name in ADDITIVE}

    def neighbours(self, row: int) -> list[int]:
        """Returns the rows of all architectures in the table that differ from the architecture of `row` in one knob."""
        owner = self.owners[row]
        grid = self.families[owner].grid
        identities, rows = self._rows[owner]
        digits = grid.digits(self.numbers[row : row + 1])
        others = [
            [*digits[:place], np.array([other], np.int64), *digits[place + 1 :]]
            for place, radix in enumerate(grid.radices)
            for other in range(radix)
            if other != digits[place][0]
        ]
        if not others:
            return []
        together = [np.concatenate(columns) for columns in zip(*others, strict=True)]
        together = [column[self.families[owner].valid(together)] for column in together]
        wanted = self.families[owner].identity(together)
        places = np.minimum(np.searchsorted(identities, wanted), len(identities) - 1)
        found = rows[places[identities[places] == wanted]]
        return [int(other) for other in np.unique(found) if other != row]

    def feasible(self, constraints: Sequence[Constraint]) -> NDArray[np.bool_]:
        """Returns for each row whether the architecture satisfies all constraints: a bool array (rows,).

        Constraints on memory are ignored, because the table does not hold this cost.
        """
        allowed = np.ones(len(self), np.bool_)
        for constraint in constraints:
            if constraint.name in self.costs:
                allowed &= constraint.allows(self.costs[constraint.name])  # type: ignore[arg-type]
            elif constraint.name not in COSTS:
                for owner, table in enumerate(self.families):
                    own = self.owners == owner
                    allowed[own] &= table.meets(constraint, self.numbers[own])
        return allowed


def _distinct(
    table: FamilyTable, wanted: range, random: Random | None
) -> tuple[Ints, Ints, Floats]:
    """Returns for each architecture the number of its first combination in `wanted`, its costs and its predicted latency.

    Without rates, there are no latencies: an array (0,).

    If `random` is given, combinations are drawn from the whole grid, and only the length of `wanted` matters.
    """
    numbers, identities = [], []
    for start in range(0, len(wanted), CHUNK):
        chunk = np.arange(start, min(start + CHUNK, len(wanted)), dtype=np.int64)
        if random is not None:
            drawn = (random.randrange(table.grid.size) for _ in range(len(chunk)))
            chunk = np.fromiter(drawn, np.int64, len(chunk))
        digits = table.grid.digits(chunk)
        valid = table.valid(digits)
        numbers.append(chunk[valid])
        identities.append(table.identity([digit[valid] for digit in digits]))
    identity = np.concatenate(identities)
    _, first = np.unique(identity, return_index=True)
    kept = np.concatenate(numbers)[np.sort(first)]
    counted, latencies = [np.empty((0, len(ADDITIVE)), np.int64)], [np.empty(0)]
    for start in range(0, len(kept), CHUNK):
        found = table.costs(table.grid.digits(kept[start : start + CHUNK]))
        # The amounts of operators are needed only for the latency, so they do not stay in memory.
        counted.append(np.ascontiguousarray(found[:, : len(ADDITIVE)]))
        if table.rates is not None:
            latencies.append(table.rates.milliseconds(found[:, len(ADDITIVE) :]))
    return kept, np.concatenate(counted), np.concatenate(latencies)
