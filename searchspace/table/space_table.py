"""A whole space as a table: every architecture once, with its exact costs.

Beyond MAX_SPELLINGS combinations it is a random sample. What is known of one family is in
`searchspace.table.family_table`, how its costs are composed in `searchspace.table.cost_sum`.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import COSTS
from searchspace.space import Space
from searchspace.table.family_table import ADDITIVE, FamilyTable
from searchspace.table.knob_functions import Ints

__all__ = ["ADDITIVE", "MAX_SPELLINGS", "SpaceTable"]

MAX_SPELLINGS = 10_000_000
"""Combinations up to which a space is tabulated whole; beyond, a random sample of them is."""
MAX_SAMPLED = 1_000_000
MAX_COUNTED = 4_000
"""Networks that are counted one by one for a family."""
CHUNK = 1 << 16


class SpaceTable:
    """Every architecture of a space once with its exact costs; a random sample of them beyond MAX_SPELLINGS.

    Raises TableTooLarge where a family can neither be composed nor counted one by one.
    """

    def __init__(
        self, space: Space, scale: int, seed: int = 0, *, max_counted: int = MAX_COUNTED
    ) -> None:
        self.space, self.scale = space, scale
        self.exact = space.num_spellings <= MAX_SPELLINGS
        """Whether these are all architectures."""
        self.families = [FamilyTable(part, scale, seed, max_counted) for part in space.families]
        numbers, owners, counted = [], [], []
        self._rows: list[tuple[Ints, Ints]] = []
        first = 0
        for owner, table in enumerate(self.families):
            wanted = range(table.grid.size)
            if not self.exact:
                share = MAX_SAMPLED * table.grid.size // space.num_spellings
                wanted = range(min(table.grid.size, max(1, share)))
            own, own_costs = _distinct(table, wanted, None if self.exact else Random(seed))
            identity = table.identity(table.grid.digits(own))
            order = np.argsort(identity)
            self._rows.append((identity[order], first + order))
            first += len(own)
            numbers.append(own)
            owners.append(np.full(len(own), owner, np.int8))
            counted.append(own_costs)
        self.numbers: Ints = np.concatenate(numbers)
        """(architectures,): each one's combination within its family; the first spelling stands."""
        self.owners = np.concatenate(owners)
        """(architectures,): the number of each one's family in the space."""
        table_costs = np.concatenate(counted)
        self.costs: dict[str, Ints] = {name: table_costs[:, i] for i, name in enumerate(ADDITIVE)}
        """(architectures,) of every additive cost."""

    def __len__(self) -> int:
        return len(self.numbers)

    def architecture(self, row: int) -> Architecture:
        """The architecture in `row`."""
        table = self.families[self.owners[row]]
        digits = table.grid.digits(self.numbers[row : row + 1])
        spec = table.grid.spec([int(digit[0]) for digit in digits])
        assert spec is not None
        return Architecture(family=table.family, spec=spec)

    def row(self, architecture: Architecture) -> int | None:
        """The row of an architecture; None where it is not in the table."""
        for table, (identities, rows) in zip(self.families, self._rows, strict=True):
            digits = table.find(architecture)
            if digits is not None:
                wanted = table.identity([np.array([digit], np.int64) for digit in digits])[0]
                place = int(np.searchsorted(identities, wanted))
                if place < len(identities) and identities[place] == wanted:
                    return int(rows[place])
        return None

    def costs_of(self, architecture: Architecture) -> dict[str, int] | None:
        """Every additive cost of an architecture by name, looked up; None where it is not in the table."""
        row = self.row(architecture)
        return None if row is None else {name: int(of[row]) for name, of in self.costs.items()}

    def neighbours(self, row: int) -> list[int]:
        """The rows whose spelling differs from that of `row` in one knob."""
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
        """(architectures,): whether each meets all constraints but those on memory."""
        allowed = np.ones(len(self), np.bool_)
        for constraint in constraints:
            if constraint.name in self.costs:
                allowed &= constraint.allows(self.costs[constraint.name])  # type: ignore[arg-type]
            elif constraint.name not in COSTS:
                for owner, table in enumerate(self.families):
                    own = self.owners == owner
                    allowed[own] &= table.meets(constraint, self.numbers[own])
        return allowed


def _distinct(table: FamilyTable, wanted: range, random: Random | None) -> tuple[Ints, Ints]:
    """The first spelling of each architecture among the combinations, and their costs."""
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
    counted = [
        table.costs(table.grid.digits(kept[start : start + CHUNK]))
        for start in range(0, len(kept), CHUNK)
    ]
    return kept, np.concatenate([np.empty((0, len(ADDITIVE)), np.int64), *counted])
