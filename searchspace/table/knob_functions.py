"""Tabulates functions of a spec. Each table covers only the knobs that its function depends on.

The space of a family is a grid: a combination of knob values is written as one digit per knob. Its validity, and each
value of its canonical spec, are functions of these digits. Most of these functions depend on only a few digits, so a
small table of each function covers all combinations.

This continues the example of `searchspace.table.cost_parts`. The grid has n in (4, 8), b from 1 to 10, and k in (1, 3):
2 * 10 * 2 = 40 combinations. Suppose that the toy family also refuses networks with n b > 64.

Combinations are numbered from 0. The digit of a knob is the index of its value. The last digit changes fastest:

    27 = (1 * 10 + 3) * 2 + 1    digits (1, 3, 1)    n = 8, b = 4, k = 3
    37 = (1 * 10 + 8) * 2 + 1    digits (1, 8, 1)    n = 8, b = 9, k = 3

`dependencies` changes one digit at a time in random combinations. It finds that validity depends on the digits of n and
b, but not on the digit of k. So `tabulate` makes a table of 2 * 10 = 20 entries instead of 40. Two of the 20 entries
are invalid: n = 8 with b = 9, and n = 8 with b = 10. `Field.look_up` reads entry 1 * 10 + 8 = 18 for combination 37, so
this combination is invalid. In the whole grid 4 combinations are invalid and 36 are networks.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from searchspace.errors import UserError
from searchspace.recipe import PREFIX, split
from searchspace.space import FamilySpace
from searchspace.spec import Spec

Ints = NDArray[np.int64]

PROBES = 200
"""Number of random combinations that `dependencies` draws. In each, it changes one digit at a time."""
COMPLETIONS = 64
"""Number of attempts to find a valid combination for a table entry. If all fail, the entry counts as invalid."""
MAX_ENTRIES = 50_000
"""Maximum number of entries in the table of one function."""


class TableTooLarge(UserError):  # noqa: N818 - the name says what happened
    """Raised when a space is too large for a table of its costs."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """All combinations of the knob values of one family, numbered from 0. The digit of the last knob changes fastest."""

    part: FamilySpace

    @property
    def radices(self) -> tuple[int, ...]:
        """The number of values of each knob."""
        return tuple(len(dimension.values) for dimension in self.part.dimensions)

    @property
    def size(self) -> int:
        """The number of combinations."""
        return self.part.num_spellings

    def digits(self, numbers: Ints) -> list[Ints]:
        """Returns the digits of the combinations with these `numbers` (N,): one array (N,) per knob."""
        digits, rest = [], numbers
        for radix in reversed(self.radices):
            rest, digit = np.divmod(rest, radix)
            digits.append(digit)
        return digits[::-1]

    def spec(self, digits: Sequence[int]) -> Spec | None:
        """Returns the spec of the combination with these digits, or None if its knobs are not valid together.

        The recipe is not checked.
        """
        try:
            return self.part.family.spec.model_validate(self.part.written(self.choice(digits)))
        except ValidationError:
            return None

    def choice(self, digits: Sequence[int]) -> dict[str, int]:
        """Returns the index of the value of each dimension, by the name of the dimension."""
        names = (dimension.name for dimension in self.part.dimensions)
        return dict(zip(names, digits, strict=True))

    def recipes(self) -> "Field | None":
        """Returns a table of the recipe of all combinations, or None if the space searches no training setting."""
        own = [
            (place, dimension)
            for place, dimension in enumerate(self.part.dimensions)
            if dimension.name.startswith(PREFIX)
        ]
        if not own:
            return None
        numbers: dict[Hashable, int] = {}
        codes = []
        for chosen in itertools.product(*(dimension.values for _, dimension in own)):
            named = {d.name: value for (_, d), value in zip(own, chosen, strict=True)}
            recipe = split(named)[1]
            valid = recipe in self.part.recipes
            codes.append(numbers.setdefault(recipe, len(numbers)) if valid else -1)
        return Field(
            places=tuple(place for place, _ in own),
            values=tuple(numbers),
            codes=np.array(codes, np.int64),
            radices=tuple(len(dimension.values) for _, dimension in own),
        )

    def written(self, name: str) -> "Field":
        """Returns a table of the value of knob `name` in all combinations, including invalid combinations.

        Where its conditions do not hold, the knob has its default value.
        """
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
        """Returns the knobs that decide the value of knob `name`: the knob itself and the knobs in its conditions."""
        own = [each for each in self.part.dimensions if each.name == name]
        return {each.name for each in own}.union(
            *(self._deciding(other) for each in own for other in each.when)
        )

    def random_digits(self, random: Random) -> list[int]:
        """Draws the digits of one combination. All combinations are equally likely."""
        return [random.randrange(radix) for radix in self.radices]

    def changed(self, digits: Sequence[int], place: int, random: Random) -> list[int]:
        """Returns a copy of `digits` with a different random digit at index `place`.

        The knob at this index must have at least two values.
        """
        radix = self.radices[place]
        other = (digits[place] + random.randrange(1, radix)) % radix
        return [*digits[:place], other, *digits[place + 1 :]]


Aspects = Mapping[str, Hashable]
"""Named values that are computed from one spec."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A function of the combinations of a grid, stored as a table over the digits that it depends on."""

    places: tuple[int, ...]
    """The indices of the knobs whose digits the function depends on."""
    values: tuple[Any, ...]
    """The distinct values of the function."""
    codes: Ints
    """For each combination of the digits at `places`, the index of its value in `values`, or -1 if it is invalid."""
    radices: tuple[int, ...]
    """For each index in `places`, the number of values of this knob."""

    def look_up(self, digits: Sequence[Ints]) -> Ints:
        """Returns the indices (N,) in `values` of the function's values for N combinations, with -1 for invalid ones.

        `digits` holds one array (N,) for every knob of the grid.
        """
        entry: Ints = np.zeros_like(digits[0]) if digits else np.zeros(1, np.int64)
        for place, radix in zip(self.places, self.radices, strict=True):
            entry = entry * radix + digits[place]
        return self.codes[entry]


def dependencies(
    grid: Grid, aspects: Callable[[Spec], Aspects], random: Random, probes: int = PROBES
) -> dict[str, tuple[int, ...]]:
    """Returns the indices of the knobs that each aspect depends on. An aspect that never changes has no key.

    The key 'valid' holds the indices of the knobs that validity depends on. The function changes one knob at a time in
    `probes` random combinations, so it may miss a rare effect.
    """
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
    """Tabulates `function` over all combinations of the digits at the indices `places`.

    `function` must return None if its argument is None, that is, if a combination is invalid. The digits at other
    indices take any values that make the combination valid. Raises TableTooLarge if the table would have more than
    MAX_ENTRIES entries.
    """
    radices = tuple(grid.radices[place] for place in places)
    if math.prod(radices) > MAX_ENTRIES:
        names = ", ".join(grid.part.dimensions[place].name for place in places)
        raise TableTooLarge(
            f"{grid.part.family.name}: {math.prod(radices):,} combinations of {names} are too many "
            f"to tabulate (limit {MAX_ENTRIES:,}); list fewer values"
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
    """Returns the value of `function` for a valid combination with the digits `chosen`, or None if none is found."""
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
