"""Spaces: the architectures that a sweep chooses from, as written under `families` in a sweep file.

The entry of a knob has one of five forms:

- a fixed value: `n_feats: 32`
- a list of choices: `n_feats: [16, 32]`
- a range: `n_feats: {low: 8, high: 64, step: 8}`
- the values that the family lists for this knob: `n_feats: auto`
- values with a condition: `expand_ratio: {values: [2, 3], when: {compression: [head, tail]}}`

If a value is itself a list, it goes inside the list of choices: `compression: [none, [0, 1, 2]]`. A knob without an entry
keeps its published default. `slwsr: auto` searches every knob of slwsr that has several listed values, except `block`.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Any

from pydantic import ValidationError

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.discover import FAMILIES
from searchspace.errors import UserError, shown
from searchspace.family import Family
from searchspace.quantity import parse_range
from searchspace.recipe import PREFIX, Recipe, split
from searchspace.spec import Knob, checked, knobs
from searchspace.synonyms import nearest

Path = tuple[str, ...]
"""The keys that lead to an entry of a sweep file."""
Fault = tuple[Path, str]
"""A mistake in a sweep file: where it is, and a sentence that explains it."""

MAX_ENUMERATED = 200_000
"""Maximum number of combinations in a space that is enumerated. Up to this size, architectures are counted exactly and
are drawn with equal probability."""
MAX_DRAWS = 10_000
"""Maximum number of random combinations that are tried to find a valid one."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A knob of a family and the values that it takes in the space."""

    name: str
    values: tuple[Any, ...]
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Conditions: other knobs with the values that they may have. If a condition fails, this knob keeps its default."""

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers in ascending order, so that neighbouring values are similar."""
        numeric = all(type(value) in (int, float) for value in self.values)
        return numeric and list(self.values) == sorted(self.values)


@dataclass(frozen=True, kw_only=True)
class FamilySpace:
    """The part of a space that belongs to one family: all combinations of its knob values and its recipes."""

    family: Family
    dimensions: tuple[Dimension, ...]
    """The knobs, then the searched training settings. Names of settings begin with PREFIX."""
    recipes: frozenset[Recipe] = frozenset()
    """The valid combinations of the searched settings. Empty if no setting is searched."""

    @property
    def num_spellings(self) -> int:
        """Number of combinations of values. Some may be invalid, and several may give the same architecture."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def build(self, choice: Mapping[str, int]) -> Architecture | None:
        """Returns the architecture that `choice` selects, or None if the combination is invalid.

        `choice` maps the name of each knob to the index of its value.
        """
        written, recipe = self._chosen(choice)
        if recipe and recipe not in self.recipes:
            return None
        try:
            spec = self.family.spec.model_validate(written)
            return Architecture(family=self.family, spec=spec, recipe=recipe)
        except ValidationError:
            return None

    def written(self, choice: Mapping[str, int]) -> dict[str, Any]:
        """Returns the values that `choice` selects, by knob. Leaves out each knob whose conditions do not hold."""
        return self._chosen(choice)[0]

    def _chosen(self, choice: Mapping[str, int]) -> tuple[dict[str, Any], Recipe]:
        chosen = {
            d.name: d.values[choice[d.name]] for d in self.dimensions if self.applies(d, choice)
        }
        return split(chosen) if self.recipes else (chosen, Recipe())

    def unused(self) -> list[str]:
        """Returns all values, as 'family.knob=value', that occur in no valid combination.

        Such a value makes every combination invalid, or its knob has a condition that never holds.
        """
        used: set[tuple[str, int]] = set()
        for choice in self._choices():
            if self.build(choice) is not None:
                used |= {
                    (d.name, choice[d.name]) for d in self.dimensions if self.applies(d, choice)
                }
        return [
            f"{'' if d.name.startswith(PREFIX) else f'{self.family.name}.'}{d.name}={value}"
            for d in self.dimensions
            for number, value in enumerate(d.values)
            if (d.name, number) not in used
        ]

    def applies(self, dimension: Dimension, choice: Mapping[str, int]) -> bool:
        """Whether the conditions of `dimension` hold in `choice`. Knobs that are not searched count with their default."""
        return all(self._value(name, choice) in wanted for name, wanted in dimension.when.items())

    def _value(self, name: str, choice: Mapping[str, int]) -> Any:
        dimension = self._by_name.get(name)
        if dimension is None or not self.applies(dimension, choice):
            return self.family.spec.model_fields[name].default
        return dimension.values[choice[name]]

    @cached_property
    def _by_name(self) -> dict[str, Dimension]:
        return {dimension.name: dimension for dimension in self.dimensions}

    def __iter__(self) -> Iterator[Architecture]:
        for choice in self._choices():
            built = self.build(choice)
            if built is not None:
                yield built

    def _choices(self) -> Iterator[dict[str, int]]:
        names = [dimension.name for dimension in self.dimensions]
        for numbers in itertools.product(*(range(len(d.values)) for d in self.dimensions)):
            yield dict(zip(names, numbers, strict=True))


@dataclass(frozen=True, kw_only=True)
class Space:
    """The architectures that a sweep chooses from, in one or several families."""

    families: tuple[FamilySpace, ...]

    @property
    def recipes(self) -> frozenset[Recipe]:
        """The valid combinations of the searched training settings. Empty if no setting is searched."""
        return self.families[0].recipes if self.families else frozenset()

    @property
    def num_spellings(self) -> int:
        """Number of combinations of values in all families. Some may be invalid or give the same architecture."""
        return sum(part.num_spellings for part in self.families)

    @property
    def enumerable(self) -> bool:
        """Whether the space has at most MAX_ENUMERATED combinations."""
        return self.num_spellings <= MAX_ENUMERATED

    @cached_property
    def architectures(self) -> tuple[Architecture, ...]:
        """Every architecture once. If several combinations give the same network, the first one is kept.

        Raises UserError if the space has more than MAX_ENUMERATED combinations.
        """
        if not self.enumerable:
            raise UserError(
                f"families: {self.num_spellings:,} combinations are too many to enumerate "
                f"(limit {MAX_ENUMERATED:,})"
            )
        return tuple({built.key: built for built in reversed(list(self._spelled()))}.values())[::-1]

    def __len__(self) -> int:
        return len(self.architectures)

    def __contains__(self, candidate: object) -> bool:
        return isinstance(candidate, Architecture) and candidate.key in self._keys

    def sample(self, random: Random) -> Architecture:
        """Draws one architecture at random.

        If the space is enumerable, all architectures are equally likely. Otherwise, all valid combinations of knob
        values are equally likely. Raises UserError if the space has no architecture, or if none of MAX_DRAWS random
        combinations is valid.
        """
        if self.enumerable:
            if not self.architectures:
                raise UserError("families: no combination of these values is a valid network")
            return random.choice(self.architectures)
        return self.spell(random)

    def spell(self, random: Random) -> Architecture:
        """Draws one valid combination and returns its architecture. All valid combinations are equally likely.

        The space is not enumerated. Raises UserError if none of MAX_DRAWS random combinations is valid.
        """
        weights = [part.num_spellings for part in self.families]
        for _ in range(MAX_DRAWS):
            (part,) = random.choices(self.families, weights)
            built = part.build({d.name: random.randrange(len(d.values)) for d in part.dimensions})
            if built is not None:
                return built
        raise UserError(
            f"families: none of {MAX_DRAWS:,} random combinations is a valid network; change the values so "
            "that they fit together"
        )

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(built.key for built in self.architectures)

    def _spelled(self) -> Iterator[Architecture]:
        for part in self.families:
            yield from part


def with_recipes(
    space: Space, settings: tuple[Dimension, ...], recipes: frozenset[Recipe]
) -> Space:
    """Returns `space` with the searched training `settings` as further dimensions of each family."""
    parts = (
        replace(part, dimensions=(*part.dimensions, *settings), recipes=recipes)
        for part in space.families
    )
    return Space(families=tuple(parts))


def feasible(candidate: Architecture, constraints: tuple[Constraint, ...], scale: int) -> bool:
    """Whether `candidate` satisfies all constraints at `scale`."""
    return all(constraint.holds(candidate, scale) for constraint in constraints)


def parse_space(written: object, at: Path) -> tuple[Space, list[Fault]]:
    """Parses the entry `families` of a sweep file. Returns the space, and all mistakes in the entry.

    `at` is the path of the entry. The paths of the mistakes start with it.
    """
    faults: list[Fault] = []
    parts = []
    if not isinstance(written, Mapping) or not written:
        faults.append((at, f"must map family names to their knobs, got {shown(written)}"))
        return Space(families=()), faults
    for name, wanted in written.items():
        if name not in FAMILIES:
            faults.append(((*at, str(name)), f"unknown family; {nearest(name, FAMILIES)}"))
            continue
        dimensions, new = _parse_family(FAMILIES[name], wanted, (*at, name))
        faults += new
        parts.append(FamilySpace(family=FAMILIES[name], dimensions=dimensions))
    return Space(families=tuple(parts)), faults


def _parse_family(
    family: Family, wanted: object, at: Path
) -> tuple[tuple[Dimension, ...], list[Fault]]:
    known = knobs(family.spec)
    if wanted == "auto":
        wanted = {name: "auto" for name, knob in known.items() if knob.in_auto}
    if wanted is None:
        wanted = {}
    if not isinstance(wanted, Mapping):
        return (), [(at, f"must be auto or map knobs to values, got {shown(wanted)}")]
    dimensions, faults = [], []
    for name, domain in wanted.items():
        if name not in known:
            faults.append(((*at, str(name)), f"no such knob; {nearest(name, known)}"))
            continue
        try:
            dimensions.append(_parse_dimension(family, known[name], domain, known))
        except UserError as error:
            faults.append(((*at, name), str(error)))
    try:
        return _conditions_first(dimensions), faults
    except UserError as error:
        return (), [*faults, (at, str(error))]


def _conditions_first(dimensions: list[Dimension]) -> tuple[Dimension, ...]:
    """Sorts the dimensions so that each knob comes after the knobs in its conditions. Otherwise keeps the order.

    Raises UserError if the conditions form a circle.
    """
    by_name = {dimension.name: dimension for dimension in dimensions}
    ordered: dict[str, Dimension] = {}

    def place(dimension: Dimension, above: Path) -> None:
        if dimension.name in above:
            circle = " -> ".join((*above, dimension.name))
            raise UserError(f"the conditions of these knobs form a circle: {circle}")
        for other in dimension.when:
            if other in by_name and other not in ordered:
                place(by_name[other], (*above, dimension.name))
        ordered[dimension.name] = dimension

    for dimension in dimensions:
        if dimension.name not in ordered:
            place(dimension, ())
    return tuple(ordered.values())


def _parse_dimension(
    family: Family, knob: Knob, domain: object, known: Mapping[str, Knob]
) -> Dimension:
    when: dict[str, tuple[Any, ...]] = {}
    if isinstance(domain, Mapping) and "values" in domain:
        unknown = set(domain) - {"values", "when"}
        if unknown:
            raise UserError(f"no such key {shown(min(unknown))}; known: values, when")
        when = _conditions(family, domain.get("when"), known)
        domain = domain["values"]
    if domain == "auto":
        listed = list(knob.search)
    elif isinstance(domain, Mapping):
        listed = parse_range(domain)
    else:
        listed = domain if isinstance(domain, list) else [domain]
    if not listed:
        raise UserError("must have at least one value, got []")
    values = [checked_value(family, knob.name, value) for value in listed]
    return Dimension(name=knob.name, values=tuple(dict.fromkeys(values)), when=when)


def _conditions(
    family: Family, written: object, known: Mapping[str, Knob]
) -> dict[str, tuple[Any, ...]]:
    """Parses the entry `when`, which maps knobs to a value or a list of values. Raises UserError for a mistake."""
    if not isinstance(written, Mapping | None):
        raise UserError(f"when: must map knobs to values, got {shown(written)}")
    when: dict[str, tuple[Any, ...]] = {}
    for other, wanted in (written or {}).items():
        if other not in known:
            raise UserError(f"when: no such knob {shown(other)}; {nearest(other, known)}")
        listed = wanted if isinstance(wanted, list) else [wanted]
        when[other] = tuple(checked_value(family, other, value) for value in listed)
    return when


def checked_value(family: Family, knob: str, value: object) -> Any:
    """Returns `value` as the family's spec stores it. Raises UserError if the knob does not accept the value."""
    return checked(family.spec.model_fields[knob], value)
