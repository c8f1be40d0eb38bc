"""Tables of one family: which combinations of knob values are valid, which give the same network, and their costs.

No network is built to look up a combination. Validity and identity are look-ups in small tables
(`searchspace.table.knob_functions`). Each cost is a sum of look-ups (`searchspace.table.cost_sum`). The family
declares which knobs each term of the sum depends on (`searchspace.table.cost_parts`).

Example: the toy family in the docstrings of `searchspace.table` has 40 combinations, of which 36 are valid. Only 6
networks are built and counted, because the costs of all others follow as sums. Before the sums
are used, they are compared with the counted costs of CHECKED random networks. If any costs differ, or if the family
declares no parts, the family's networks are counted one by one. Networks that differ only in knobs without effect on
the costs are then counted once.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import costs
from searchspace.predicted import Rates
from searchspace.recipe import has_settings
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
"""The costs that are sums over the layers of a network. Memory is a maximum instead, so the table does not hold it."""
CHECKED = 12
"""Number of random architectures whose costs from the table are compared with counted costs."""


class FamilyTable:
    """A table of one family: which combinations of knob values are valid, which give the same network, and their costs.

    A combination is given as digits: for each knob of the space, the index of its value. The methods that take `digits`
    work on N combinations at once. They take one array (N,) per knob.
    """

    def __init__(
        self,
        part: FamilySpace,
        scale: int,
        seed: int,
        max_counted: int,
        rates: Rates | None = None,
    ) -> None:
        """Prepares the table. With `rates`, it also counts the operators from which they predict a latency."""
        self.grid, self.scale, self.max_counted = Grid(part=part), scale, max_counted
        self.rates = rates
        self.family = part.family
        self._random = Random(seed)
        found = dependencies(self.grid, _canonical_aspects, self._random)
        self._valid = tabulate(self.grid, _is_valid, found["valid"], self._random)
        self._identity = [
            tabulate(self.grid, _canonical_value(name), found[name], self._random)
            for name in self.family.spec.model_fields
            if found.get(name)
        ]
        self._recipe = self.grid.recipes()
        if self._recipe is not None:
            self._identity.append(self._recipe)

    @cached_property
    def composition(self) -> Composition:
        """The arrays whose entries add up to the costs. They have been compared with the costs of random networks.

        Raises TableTooLarge if the costs neither follow from the family's parts nor can be counted one by one.
        """
        if self.family.parts is not None:
            parts = self.family.parts
            composed = self._compose(parts if self.rates is None else parts.with_operators)
            if self._agrees(composed):
                return composed
        composed = self._compose(self._whole())
        if not self._agrees(composed):
            raise TableTooLarge(f"{self.family.name}: the costs of this space cannot be tabulated")
        return composed

    def find(self, architecture: Architecture) -> list[int] | None:
        """Returns the digits of an architecture, one per knob, or None if the space does not hold its knob values."""
        if architecture.family.name != self.family.name:
            return None
        names = [dimension.name for dimension in self.grid.part.dimensions]
        if not has_settings(architecture.recipe, names):
            return None
        digits = []
        for dimension in self.grid.part.dimensions:
            value = architecture.value(dimension.name)
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
        """Returns for each combination whether it is valid: a bool array (N,)."""
        valid = self._valid.look_up(digits) >= 0
        return valid if self._recipe is None else valid & (self._recipe.look_up(digits) >= 0)

    def identity(self, digits: Sequence[Ints]) -> Ints:
        """Returns an array (N,) with a number for each valid combination. Equal numbers mean equal networks and recipes.

        Raises TableTooLarge if the numbers could reach 2**62.
        """
        code = np.zeros(len(digits[0]) if digits else 1, np.int64)
        room = 1
        for field in self._identity:
            room *= len(field.values)
            if room >= 2**62:
                raise TableTooLarge(f"{self.family.name}: too many different networks to tabulate")
            code = code * len(field.values) + field.look_up(digits)
        return code

    def costs(self, digits: Sequence[Ints]) -> Ints:
        """Returns the exact costs (N, len(ADDITIVE)) of N valid combinations.

        With `rates`, the amounts of operators follow in the order of `Rates.per_unit`: (N, len(ADDITIVE) + kinds).
        Raises TableTooLarge if the family's parts do not give all these costs.
        """
        total = self.composition.costs(digits)
        if (total < 0).any():
            raise TableTooLarge(
                f"{self.family.name}: the family's parts do not give the costs of every network"
            )
        return total

    def meets(self, constraint: Constraint, numbers: Ints) -> NDArray[np.bool_]:
        """Returns for each combination whether it satisfies a constraint on a knob: a bool array (N,).

        `numbers` (N,) are the numbers of the combinations in the grid.
        """
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
        """Tabulates the named quantities over the grid: knobs, and properties of the spec."""
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
        architecture = Architecture(family=self.family, spec=spec)
        counted = costs(architecture, self.scale)
        own = np.array([counted[name] for name in ADDITIVE], np.int64)
        if self.rates is None:
            return own
        return np.append(own, self.rates.amounts(architecture, self.scale))

    def _whole(self) -> Parts:
        """Returns parts with a single line: all knobs but those that changed no cost in a few random networks."""
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
        """Returns whether `composed` gives the counted costs of CHECKED random architectures."""
        return all(
            (composed.costs(digits)[0] == self._count(spec)).all()
            for spec, digits in self.random_architectures(CHECKED)
        )

    def random_architectures(self, count: int) -> Iterator[tuple[Spec, list[Ints]]]:
        """Draws `count` valid combinations, all equally likely. Yields (spec, digits), with digits as arrays (1,)."""
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
        # The tuple tells a knob with the value None from an invalid spec.
        return None if spec is None else (getattr(spec.canonical(), name),)

    return value
