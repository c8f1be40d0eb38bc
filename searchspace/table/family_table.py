"""Validity, identity and costs of all combinations of one family's knobs.

No network is built for a single combination. Validity and identity are look-ups in small tables
(`searchspace.table.knob_functions`). Costs are sums of look-ups (`searchspace.table.cost_sum`), by the parts that the
family declares (`searchspace.table.cost_parts`).

For the toy family of those files: 40 combinations, 36 of them valid, 6 networks counted. Before the sums are used, they
are compared with the counted costs of CHECKED random networks. If they differ, or if the family declares no parts, its
networks are counted one by one. Knobs without any effect on the costs are then left out.
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
"""The costs that are sums over parts. Memory is a maximum, so it is counted one by one."""
CHECKED = 12
"""Number of random architectures whose composed costs are compared with counted ones."""


class FamilyTable:
    """The combinations of one family: which are valid, which are the same network, and what they cost."""

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
        """The sums that give the costs, after a comparison with whole networks.

        Raises TableTooLarge if the costs can neither be composed nor counted one by one.
        """
        if self.family.parts is not None:
            composed = self._compose(self.family.parts)
            if self._agrees(composed):
                return composed
        composed = self._compose(self._whole())
        if not self._agrees(composed):
            raise TableTooLarge(f"{self.family.name}: the costs of this space cannot be tabulated")
        return composed

    def find(self, architecture: Architecture) -> list[int] | None:
        """Returns the digits of an architecture, or None if it is outside the space."""
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
        """Whether each combination is valid."""
        return self._valid.look_up(digits) >= 0

    def identity(self, digits: Sequence[Ints]) -> Ints:
        """Returns a number for each valid combination. Equal networks have equal numbers."""
        code = np.zeros(len(digits[0]) if digits else 1, np.int64)
        room = 1
        for field in self._identity:
            room *= len(field.values)
            if room >= 2**62:
                raise TableTooLarge(f"{self.family.name}: too many different networks to tabulate")
            code = code * len(field.values) + field.look_up(digits)
        return code

    def costs(self, digits: Sequence[Ints]) -> Ints:
        """Returns the exact costs (N, len(ADDITIVE)) of valid combinations."""
        total = self.composition.costs(digits)
        if (total < 0).any():
            raise TableTooLarge(
                f"{self.family.name}: the family's parts do not give the costs of every network"
            )
        return total

    def meets(self, constraint: Constraint, numbers: Ints) -> NDArray[np.bool_]:
        """Whether each combination satisfies a constraint on a knob."""
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
        """Tabulates what the costs depend on: knobs, and properties of the spec."""
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
        """Returns a single part with all knobs. Leaves out knobs that changed no cost in a few random trials."""
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
        """Whether composed and counted costs are equal for CHECKED random architectures."""
        return all(
            (composed.costs(digits)[0] == self._count(spec)).all()
            for spec, digits in self.random_architectures(CHECKED)
        )

    def random_architectures(self, count: int) -> Iterator[tuple[Spec, list[Ints]]]:
        """Draws specs, uniform over the valid combinations. Yields each with its digits (1,)."""
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
        # The tuple keeps a value of None apart from an invalid spec.
        return None if spec is None else (getattr(spec.canonical(), name),)

    return value
