"""Functions of a spec that hang on few of its knobs, tabulated over those knobs alone.

A family's space is a grid: one digit a knob. Whether a combination is valid, what its canonical form holds
and how many parts of a kind it has are functions of some digits only; which ones is found by changing one
digit at a time. A table of each function over its own digits then answers for the whole grid by look-up.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchspace.space import FamilySpace
from searchspace.spec import Spec

Ints = NDArray[np.int64]

PROBES = 200
"""Random combinations around which every digit is changed, to see what hangs on it."""
COMPLETIONS = 64
"""Random completions of a partial combination before it is taken to have no valid one."""
MAX_ENTRIES = 50_000
"""Entries that one function's table may have."""


class TableTooLarge(ValueError):  # noqa: N818 - reads as what happened
    """A function hangs on too many knobs to be tabulated."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All combinations of a family's dimensions, by number; the last dimension's digit turns fastest."""

    part: FamilySpace

    @property
    def radices(self) -> tuple[int, ...]:
        """Values of each dimension."""
        return tuple(len(dimension.values) for dimension in self.part.dimensions)

    @property
    def size(self) -> int:
        """Combinations in all."""
        return self.part.num_spellings

    def digits(self, numbers: Ints) -> list[Ints]:
        """For each dimension the digits (N,) of combinations `numbers` (N,)."""
        digits, rest = [], numbers
        for radix in reversed(self.radices):
            rest, digit = np.divmod(rest, radix)
            digits.append(digit)
        return digits[::-1]

    def spec(self, digits: Sequence[int]) -> Spec | None:
        """The spec of one combination; None where it is invalid."""
        names = (dimension.name for dimension in self.part.dimensions)
        built = self.part.build(dict(zip(names, digits, strict=True)))
        return None if built is None else built.spec

    def written(self, name: str) -> "Field":
        """Knob `name` as the spec of each combination has it, also of those that are invalid."""
        names = [dimension.name for dimension in self.part.dimensions]
        places = tuple(sorted(names.index(each) for each in self._deciding(name)))
        radices = tuple(self.radices[place] for place in places)
        default = self.part.family.spec.model_fields[name].default
        plain = dict.fromkeys(names, 0)
        numbers: dict[Hashable, int] = {}
        codes = []
        for chosen in itertools.product(*map(range, radices)):
            choice = plain | {names[p]: digit for p, digit in zip(places, chosen, strict=True)}
            value = self.part.written(choice).get(name, default)
            codes.append(numbers.setdefault(value, len(numbers)))
        return Field(
            places=places, values=tuple(numbers), codes=np.array(codes, np.int64), radices=radices
        )

    def _deciding(self, name: str) -> set[str]:
        """The dimensions on which knob `name` hangs: itself, and those of its conditions."""
        own = [each for each in self.part.dimensions if each.name == name]
        return {each.name for each in own}.union(
            *(self._deciding(other) for each in own for other in each.when)
        )

    def random_digits(self, random: Random) -> list[int]:
        """One combination, uniformly."""
        return [random.randrange(radix) for radix in self.radices]

    def changed(self, digits: Sequence[int], place: int, random: Random) -> list[int]:
        """The combination with another digit in `place`, which must have several."""
        radix = self.radices[place]
        other = (digits[place] + random.randrange(1, radix)) % radix
        return [*digits[:place], other, *digits[place + 1 :]]


Aspects = Mapping[str, Hashable]
"""Values of several functions of one spec, by name."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One function of the grid, tabulated over the digits of `places`."""

    places: tuple[int, ...]
    values: tuple[Any, ...]
    """Distinct values; -1 in `codes` stands for combinations that have no valid completion."""
    codes: Ints
    """For every combination of the digits of `places` the number of its value."""
    radices: tuple[int, ...]

    def look_up(self, digits: Sequence[Ints]) -> Ints:
        """Codes (N,) for digits (N,) of all dimensions."""
        entry: Ints = np.zeros_like(digits[0]) if digits else np.zeros(1, np.int64)
        for place, radix in zip(self.places, self.radices, strict=True):
            entry = entry * radix + digits[place]
        return self.codes[entry]


def dependencies(
    grid: Grid, aspects: Callable[[Spec], Aspects], random: Random, probes: int = PROBES
) -> dict[str, tuple[int, ...]]:
    """For every aspect the dimensions it hangs on, and under 'valid' those that validity hangs on."""
    found: dict[str, set[int]] = {"valid": set()}
    free = [place for place, radix in enumerate(grid.radices) if radix > 1]
    for _ in range(probes):
        digits = grid.random_digits(random)
        spec = grid.spec(digits)
        before = None if spec is None else aspects(spec)
        for place in free:
            other = grid.spec(grid.changed(digits, place, random))
            if (other is None) != (before is None):
                found["valid"].add(place)
            elif other is not None and before is not None:
                for name, value in aspects(other).items():
                    if value != before[name]:
                        found.setdefault(name, set()).add(place)
    return {name: tuple(sorted(places)) for name, places in found.items()}


def tabulate(
    grid: Grid, function: Callable[[Spec | None], Hashable], places: tuple[int, ...], random: Random
) -> Field:
    """`function` over all combinations of the digits of `places`; None where it has no value.

    Raises TableTooLarge beyond MAX_ENTRIES.
    """
    radices = tuple(grid.radices[place] for place in places)
    if math.prod(radices) > MAX_ENTRIES:
        names = ", ".join(grid.part.dimensions[place].name for place in places)
        raise TableTooLarge(
            f"{grid.part.family.name}: {math.prod(radices):,} combinations of {names} are too many "
            f"to tabulate (limit {MAX_ENTRIES:,})"
        )
    numbers: dict[Hashable, int] = {}
    codes = []
    for chosen in itertools.product(*(range(radix) for radix in radices)):
        value = _completed(grid, function, dict(zip(places, chosen, strict=True)), random)
        codes.append(-1 if value is None else numbers.setdefault(value, len(numbers)))
    return Field(
        places=places, values=tuple(numbers), codes=np.array(codes, np.int64), radices=radices
    )


def _completed(
    grid: Grid,
    function: Callable[[Spec | None], Hashable],
    chosen: Mapping[int, int],
    random: Random,
) -> Hashable:
    """The value under the digits `chosen`, the others being any that make the combination valid."""
    for attempt in range(COMPLETIONS):
        digits = [0] * len(grid.radices) if attempt == 0 else grid.random_digits(random)
        for place, digit in chosen.items():
            digits[place] = digit
        value = function(grid.spec(digits))
        if value is not None:
            return value
        if len(chosen) == len(grid.radices):
            break
    return None
