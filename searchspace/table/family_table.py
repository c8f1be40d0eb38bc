"""Validity, identity and costs of all combinations of one family's knobs, by number.

Nothing is built for a combination: each function hangs on few digits (`searchspace.table.knob_functions`), costs on the
parts that the family names (`searchspace.table.cost_parts`). What is composed is checked against whole networks before it
is used; a family whose parts do not add up, or that names none, has its networks counted one by one as far as its
costs differ.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import costs
from searchspace.space import FamilySpace
from searchspace.spec import Spec
from searchspace.table.cost_parts import Parts
from searchspace.table.cost_sum import Composition, compose
from searchspace.table.knob_functions import (
    Aspects,
    Field,
    Grid,
    Ints,
    TableTooLarge,
    dependencies,
    tabulate,
)

ADDITIVE = ("params", "params_train", "multadds", "activations", "num_convs")
"""Costs that are sums over parts. Memory is a largest value and is counted one by one."""
CHECKED = 12
"""Random architectures on which the composed costs are compared with the counted ones."""


class FamilyTable:
    """One family's combinations: which are networks, which are equal, what they cost."""

    def __init__(self, part: FamilySpace, scale: int, seed: int, max_counted: int) -> None:
        self.grid, self.scale, self.max_counted = Grid(part=part), scale, max_counted
        self.family = part.family
        self._random = Random(seed)
        found = dependencies(self.grid, _canonical_aspects, self._random)
        self._valid = tabulate(self.grid, _is_valid, found["valid"], self._random)
        self._identity = [
            tabulate(self.grid, _canonical_value(name), found[name], self._random)
            for name in self.family.spec.model_fields
            if found.get(name)
        ]

    @cached_property
    def composition(self) -> Composition:
        """The sums that give the costs, checked against whole networks; TableTooLarge where there are none."""
        if self.family.parts is not None:
            composed = self._compose(self.family.parts)
            if self._agrees(composed):
                return composed
        composed = self._compose(self._whole())
        if not self._agrees(composed):
            raise TableTooLarge(f"{self.family.name}: its costs cannot be composed")
        return composed

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
        total = self.composition.costs(digits)
        if (total < 0).any():
            raise TableTooLarge(f"{self.family.name}: its parts leave out some networks")
        return total

    def meets(self, constraint: Constraint, numbers: Ints) -> NDArray[np.bool_]:
        """Whether each combination meets a constraint on a knob."""
        if constraint.name not in self.family.spec.model_fields:
            return np.ones(len(numbers), np.bool_)
        field = self.grid.written(constraint.name)
        met = [
            not isinstance(value, int | float) or bool(constraint.allows(value))
            for value in field.values
        ]
        return np.array(met)[field.look_up(self.grid.digits(numbers))]

    def _compose(self, parts: Parts) -> Composition:
        quantities = self._quantities(parts.names)
        try:
            return compose(parts, self.family.spec, quantities, self._count, self.max_counted)
        except TableTooLarge as error:
            raise TableTooLarge(f"{self.family.name}: {error}") from None

    def _quantities(self, names: Sequence[str]) -> dict[str, Field]:
        """What the costs hang on, for all combinations: knobs, and properties of the spec."""
        derived = [name for name in names if name not in self.family.spec.model_fields]
        found = {}
        if derived:
            found = dependencies(
                self.grid,
                lambda spec: {name: getattr(spec, name) for name in derived},
                self._random,
            )
        return {
            name: tabulate(self.grid, _property(name), found.get(name, ()), self._random)
            if name in derived
            else self.grid.written(name)
            for name in names
        }

    def _count(self, spec: Spec) -> Ints:
        counted = costs(Architecture(family=self.family, spec=spec), self.scale)
        return np.array([counted[name] for name in ADDITIVE], np.int64)

    def _whole(self) -> Parts:
        """Every network as its own only part; knobs that changed no cost in a few random changes are left out."""
        dimensions = self.grid.part.dimensions
        costly = {each.name for each in dimensions if len(each.values) == 1}
        for _ in range(CHECKED // 2):
            digits = self.grid.random_digits(self._random)
            for place, dimension in enumerate(dimensions):
                if dimension.name in costly:
                    continue
                other = self.grid.changed(digits, place, self._random)
                pair = self.grid.spec(digits), self.grid.spec(other)
                if pair[0] is None or pair[1] is None:
                    continue
                if (self._count(pair[0]) != self._count(pair[1])).any():
                    costly.add(dimension.name)
        return Parts(together=(" ".join(sorted(costly)),))

    def _agrees(self, composed: Composition) -> bool:
        """Whether composed and counted costs are equal for a few random architectures."""
        return all(
            (composed.costs(digits)[0] == self._count(spec)).all()
            for spec, digits in self.random_architectures(CHECKED)
        )

    def random_architectures(self, count: int) -> Iterator[tuple[Spec, list[Ints]]]:
        """Specs, uniform over the valid combinations, each with its digits (1,)."""
        drawn = 0
        while drawn < count:
            digits = self.grid.random_digits(self._random)
            spec = self.grid.spec(digits)
            if spec is not None:
                drawn += 1
                yield spec, [np.array([digit], np.int64) for digit in digits]


def _is_valid(spec: Spec | None) -> Hashable:
    return None if spec is None else True


def _property(name: str) -> Callable[[Spec | None], Hashable]:
    return lambda spec: None if spec is None else getattr(spec, name)


def _canonical_aspects(spec: Spec) -> Aspects:
    return dict(spec.canonical())


def _canonical_value(name: str) -> Callable[[Spec | None], Hashable]:
    def value(spec: Spec | None) -> Hashable:
        # In a tuple: None would read as 'no value'.
        return None if spec is None else (getattr(spec.canonical(), name),)

    return value
