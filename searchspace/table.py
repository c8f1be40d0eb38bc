"""A whole space as a table: every architecture once, with its exact costs.

The costs are composed from parts. A family says of which (`Family.parts`): so many times the difference
between two small networks. The small networks are counted, as any other, so that nothing can drift; what
is composed is checked against whole networks before it is used, and a family whose parts do not add up, or that
names none, has its networks counted one by one as far as its costs differ.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import COSTS, costs
from searchspace.family import Part
from searchspace.fields import Aspects, Field, Grid, Ints, TableTooLarge, dependencies, tabulate
from searchspace.space import FamilySpace, Space
from searchspace.spec import Spec

ADDITIVE = ("params", "params_train", "multadds", "activations", "num_convs")
"""Costs that are sums over parts. Memory is a largest value and is counted one by one."""
MAX_SPELLINGS = 10_000_000
"""Combinations up to which a space is tabulated whole; beyond, a random sample of them is."""
MAX_SAMPLED = 1_000_000
MAX_COUNTED = 2_000
"""Networks counted one by one for a family without parts."""
CHECKED = 12
"""Random architectures on which the composed costs are compared with the counted ones."""
CHUNK = 1 << 18


@dataclass(frozen=True, kw_only=True)
class _Term:
    """A summand of the costs: a number of pieces times the costs of one."""

    count: Field
    unit: Field
    unit_costs: Ints
    """(units, costs)"""

    def add_to(self, total: Ints, digits: Sequence[Ints]) -> None:
        """Add this term to `total` (N, costs)."""
        values = np.array([*self.count.values, 0], np.int64)  # code -1 finds the 0
        total += (
            values[self.count.look_up(digits)][:, None] * self.unit_costs[self.unit.look_up(digits)]
        )


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


class FamilyTable:
    """Validity, identity and costs of a family's combinations, by number."""

    def __init__(self, part: FamilySpace, scale: int, seed: int, max_counted: int) -> None:
        self.grid, self.scale, self.max_counted = Grid(part=part), scale, max_counted
        self.family = part.family
        self._random = Random(seed)
        self.num_counted = 0
        """Networks that were counted to compose the costs."""
        names = tuple(self.family.spec.model_fields)
        found = dependencies(self.grid, _canonical_aspects, self._random)
        self._valid = tabulate(self.grid, _is_valid, found["valid"], self._random)
        self._identity = [
            tabulate(self.grid, _canonical_value(name), found[name], self._random)
            for name in names
            if found.get(name)
        ]

    @cached_property
    def _terms(self) -> list[_Term]:
        """The summands of the costs, checked against whole networks."""
        if self.family.parts is not None:
            terms = self._compose(self.family.parts)
            if self._agree(terms):
                return terms
        terms = self._compose(self._whole)
        if not self._agree(terms):
            raise TableTooLarge(f"{self.family.name}: its costs cannot be composed")
        return terms

    def find(self, architecture: Architecture) -> list[int] | None:
        """The digits of an architecture; None where it is outside of the space."""
        if architecture.family.name != self.family.name:
            return None
        digits = []
        for dimension in self.grid.part.dimensions:
            value = getattr(architecture.spec, dimension.name)
            if value in dimension.values:
                digits.append(dimension.values.index(value))
            elif dimension.when:
                digits.append(0)
            else:
                return None
        spec = self.grid.spec(digits)
        same = spec is not None and spec.canonical() == architecture.canonical
        return digits if same else None

    def valid(self, digits: Sequence[Ints]) -> NDArray[np.bool_]:
        """Whether each combination is an architecture."""
        return self._valid.look_up(digits) >= 0

    def identity(self, digits: Sequence[Ints]) -> Ints:
        """A number for each valid combination, equal where the networks are equal."""
        code = np.zeros(len(digits[0]) if digits else 1, np.int64)
        room = 1
        for field in self._identity:
            room *= len(field.values)
            if room >= 2**62:
                raise TableTooLarge(f"{self.family.name}: too many different networks to number")
            code = code * len(field.values) + field.look_up(digits)
        return code

    def costs(self, digits: Sequence[Ints]) -> Ints:
        """(N, len(ADDITIVE)): the exact costs of valid combinations."""
        total = np.zeros((len(digits[0]) if digits else 1, len(ADDITIVE)), np.int64)
        for term in self._terms:
            term.add_to(total, digits)
        return total

    def meets(self, constraint: Constraint, numbers: Ints) -> NDArray[np.bool_]:
        """Whether each combination meets a constraint on a knob."""
        name = constraint.name
        if name not in self.family.spec.model_fields:
            return np.ones(len(numbers), np.bool_)

        def value(spec: Spec | None) -> Hashable:
            return None if spec is None else (getattr(spec, name),)

        written = dependencies(self.grid, lambda spec: {name: getattr(spec, name)}, self._random)
        field = tabulate(self.grid, value, written.get(name, ()), self._random)
        met = [
            not isinstance(given, int | float) or bool(constraint.allows(given))
            for (given,) in field.values
        ]
        return np.array([*met, False])[field.look_up(self.grid.digits(numbers))]

    def _compose(self, parts: Callable[[Any], Sequence[Part]]) -> list[_Term]:
        found = dependencies(self.grid, lambda spec: _part_aspects(parts(spec)), self._random)
        some = next(spec for spec in self._random_specs() if spec is not None)
        terms = []
        for index in range(len(parts(some))):
            count = self._tabulate_part(parts, index, "count", found)
            unit = self._tabulate_part(parts, index, "unit", found)
            if len(unit.values) > self.max_counted:
                raise TableTooLarge(
                    f"{self.family.name}: {len(unit.values):,} networks would have to be counted one "
                    f"by one (limit {self.max_counted:,}); give fewer values, or the family its parts"
                )
            unit_costs = [self._difference(*specs) for specs in unit.values]
            table = np.array([*unit_costs, np.zeros(len(ADDITIVE))], np.int64)
            terms.append(_Term(count=count, unit=unit, unit_costs=table))
        return terms

    def _tabulate_part(
        self,
        parts: Callable[[Any], Sequence[Part]],
        index: int,
        aspect: str,
        found: dict[str, tuple[int, ...]],
    ) -> Field:
        def value(spec: Spec | None) -> Hashable:
            return None if spec is None else _part_aspects(parts(spec))[f"{index} {aspect}"]

        return tabulate(self.grid, value, found.get(f"{index} {aspect}", ()), self._random)

    def _difference(self, larger: Spec, smaller: Spec | None) -> Ints:
        counted = self._count(larger)
        return counted if smaller is None else counted - self._count(smaller)

    def _count(self, spec: Spec) -> Ints:
        self.num_counted += 1
        counted = costs(Architecture(family=self.family, spec=spec), self.scale)
        return np.array([counted[name] for name in ADDITIVE], np.int64)

    @cached_property
    def _costless(self) -> frozenset[str]:
        """Knobs that changed no cost in any of a few random changes."""
        dimensions = self.grid.part.dimensions
        costly = set()
        for _ in range(CHECKED // 2):
            digits = self.grid.random_digits(self._random)
            for place, dimension in enumerate(dimensions):
                other = list(digits)
                other[place] = self._random.randrange(len(dimension.values))
                pair = self.grid.spec(digits), self.grid.spec(other)
                if dimension.name in costly or pair[0] is None or pair[1] is None:
                    continue
                if (self._count(pair[0]) != self._count(pair[1])).any():
                    costly.add(dimension.name)
        return frozenset(dimension.name for dimension in dimensions) - costly

    def _whole(self, spec: Spec) -> tuple[Part, ...]:
        """The network as its own only part, costless knobs at one value."""
        fields = type(spec).model_fields
        plain = {name: fields[name].default for name in self._costless}
        values = dict(spec.canonical()) | plain
        return (Part(count=1, larger=type(spec).model_construct(**values)),)

    def _agree(self, terms: list[_Term]) -> bool:
        """Whether composed and counted costs are equal for a few random architectures."""
        for spec, digits in self._random_pairs(CHECKED):
            columns = [np.array([digit], np.int64) for digit in digits]
            total = np.zeros((1, len(ADDITIVE)), np.int64)
            for term in terms:
                term.add_to(total, columns)
            if (total[0] != self._count(spec)).any():
                return False
        return True

    def _random_pairs(self, count: int) -> Iterator[tuple[Spec, list[int]]]:
        drawn = 0
        while drawn < count:
            digits = self.grid.random_digits(self._random)
            spec = self.grid.spec(digits)
            if spec is not None:
                drawn += 1
                yield spec, digits

    def _random_specs(self) -> Iterator[Spec]:
        for spec, _ in self._random_pairs(1):
            yield spec


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


def _is_valid(spec: Spec | None) -> Hashable:
    return None if spec is None else True


def _canonical_aspects(spec: Spec) -> Aspects:
    return dict(spec.canonical())


def _canonical_value(name: str) -> Callable[[Spec | None], Hashable]:
    def value(spec: Spec | None) -> Hashable:
        # In a tuple: None would read as 'no value'.
        return None if spec is None else (getattr(spec.canonical(), name),)

    return value


def _part_aspects(parts: Sequence[Part]) -> Aspects:
    aspects: dict[str, Hashable] = {}
    for index, part in enumerate(parts):
        aspects[f"{index} count"] = part.count
        aspects[f"{index} unit"] = (part.larger, part.smaller)
    return aspects
