"""Spaces: the architectures that a sweep chooses from, as written under `families` in a sweep file.

A knob is fixed (`n_feats: 32`), a list of choices, a range (`{low: 8, high: 64, step: 8}`), `auto` (the
values that the family names) or conditional (`{values: [2, 3], when: {compression: [head, tail]}}`). A
value that is itself a list is written inside the list of choices: `compression: [none, [0, 1, 2]]`.
Knobs left out keep the published default; `family: auto` searches all of the family's knobs.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.quantity import parse_quantity
from searchspace.spec import Knob, check_truth, knobs, nearest

Path = tuple[str, ...]
Fault = tuple[Path, str]

MAX_ENUMERATED = 200_000
"""Spellings up to which a space is enumerated, so that its size and its sampling are exact."""
MAX_DRAWS = 10_000
"""Combinations drawn from a larger space before it is taken to hold no network."""
MAX_VALUES = 10_000
"""Values that a range may have."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One knob of a family's space and the values it takes."""

    name: str
    values: tuple[Any, ...]
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values of other knobs under which this one is searched; otherwise it keeps its default."""

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers in ascending order, so that neighbours are alike."""
        numeric = all(type(value) in (int, float) for value in self.values)
        return numeric and list(self.values) == sorted(self.values)


@dataclass(frozen=True, kw_only=True)
class FamilySpace:
    """The part of a space inside one family: all combinations of its dimensions."""

    family: Family
    dimensions: tuple[Dimension, ...]

    @property
    def num_spellings(self) -> int:
        """Combinations of values; several may be one architecture, some may be none."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    def build(self, choice: Mapping[str, int]) -> Architecture | None:
        """The architecture with value number `choice[knob]` of every dimension; None where the
        combination is invalid.
        """
        try:
            spec = self.family.spec.model_validate(self.written(choice))
            return Architecture(family=self.family, spec=spec)
        except ValidationError:
            return None

    def written(self, choice: Mapping[str, int]) -> dict[str, Any]:
        """The knobs of a choice by name, those whose conditions are not met left out."""
        return {
            d.name: d.values[choice[d.name]] for d in self.dimensions if self.applies(d, choice)
        }

    def unused(self) -> list[str]:
        """Every 'knob=value' that no valid combination has: a mistake, or a condition that never holds."""
        used: set[tuple[str, int]] = set()
        for choice in self._choices():
            if self.build(choice) is not None:
                used |= {
                    (d.name, choice[d.name]) for d in self.dimensions if self.applies(d, choice)
                }
        return [
            f"{self.family.name}.{d.name}={value}"
            for d in self.dimensions
            for number, value in enumerate(d.values)
            if (d.name, number) not in used
        ]

    def applies(self, dimension: Dimension, choice: Mapping[str, int]) -> bool:
        """Whether its conditions are met; a knob that is not searched, or not now, has its default."""
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
    """The architectures of one or several families."""

    families: tuple[FamilySpace, ...]

    @property
    def num_spellings(self) -> int:
        """Combinations of values over all families, before equal networks are counted once."""
        return sum(part.num_spellings for part in self.families)

    @property
    def enumerable(self) -> bool:
        """Whether the space is small enough for exact size and exact sampling."""
        return self.num_spellings <= MAX_ENUMERATED

    @cached_property
    def architectures(self) -> tuple[Architecture, ...]:
        """Every architecture once, in order of the file; the first spelling stands for its network.

        Raises ValueError beyond MAX_ENUMERATED spellings.
        """
        if not self.enumerable:
            raise ValueError(
                f"families: {self.num_spellings:,} combinations are too many to enumerate "
                f"(limit {MAX_ENUMERATED:,})"
            )
        return tuple({built.key: built for built in reversed(list(self._spelled()))}.values())[::-1]

    def __len__(self) -> int:
        return len(self.architectures)

    def __contains__(self, candidate: object) -> bool:
        return isinstance(candidate, Architecture) and candidate.key in self._keys

    def sample(self, random: Random) -> Architecture:
        """One architecture: uniform over architectures where the space is enumerable, otherwise uniform
        over the valid combinations of values.

        Raises ValueError where there is none, or none was found in MAX_DRAWS combinations.
        """
        if self.enumerable:
            if not self.architectures:
                raise ValueError("families: no combination of these values is a network")
            return random.choice(self.architectures)
        return self.spell(random)

    def spell(self, random: Random) -> Architecture:
        """One architecture, uniform over the valid combinations of values: at once, however large the space.

        Raises ValueError where none was found in MAX_DRAWS combinations.
        """
        weights = [part.num_spellings for part in self.families]
        for _ in range(MAX_DRAWS):
            (part,) = random.choices(self.families, weights)
            built = part.build({d.name: random.randrange(len(d.values)) for d in part.dimensions})
            if built is not None:
                return built
        raise ValueError(
            f"families: none of {MAX_DRAWS:,} combinations drawn is a network; see `srsweep families` "
            "for which values go together"
        )

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(built.key for built in self.architectures)

    def _spelled(self) -> Iterator[Architecture]:
        for part in self.families:
            yield from part


def feasible(candidate: Architecture, constraints: tuple[Constraint, ...], scale: int) -> bool:
    """Whether an architecture meets all constraints at `scale`."""
    return all(constraint.holds(candidate, scale) for constraint in constraints)


def parse_space(written: object, at: Path) -> tuple[Space, list[Fault]]:
    """The space under `families` of a sweep file, and every fault in it with its path from `at`."""
    faults: list[Fault] = []
    parts = []
    if not isinstance(written, Mapping) or not written:
        faults.append((at, f"must map family names to their knobs, got {written!r}"))
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
        wanted = {name: "auto" for name, knob in known.items() if len(knob.search) > 1}
    if wanted is None:
        wanted = {}
    if not isinstance(wanted, Mapping):
        return (), [(at, f"must be auto or map knobs to values, got {wanted!r}")]
    dimensions, faults = [], []
    for name, domain in wanted.items():
        if name not in known:
            faults.append(((*at, str(name)), f"no such knob; {nearest(name, known)}"))
            continue
        try:
            dimensions.append(_parse_dimension(family, known[name], domain, known))
        except ValueError as error:
            faults.append(((*at, name), str(error)))
    try:
        return _conditions_first(dimensions), faults
    except ValueError as error:
        return (), [*faults, (at, str(error))]


def _conditions_first(dimensions: list[Dimension]) -> tuple[Dimension, ...]:
    """In the given order, but each after those that its conditions name; ValueError for a circle."""
    by_name = {dimension.name: dimension for dimension in dimensions}
    ordered: dict[str, Dimension] = {}

    def place(dimension: Dimension, above: Path) -> None:
        if dimension.name in above:
            circle = " -> ".join((*above, dimension.name))
            raise ValueError(f"the conditions of these knobs go in a circle: {circle}")
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
            raise ValueError(f"no such key {min(unknown)!r}; known: values, when")
        for other, wanted in (domain.get("when") or {}).items():
            if other not in known:
                raise ValueError(f"when: no such knob {other!r}; {nearest(other, known)}")
            listed = wanted if isinstance(wanted, list) else [wanted]
            when[other] = tuple(checked_value(family, other, value) for value in listed)
        domain = domain["values"]
    if domain == "auto":
        listed = list(knob.search)
    elif isinstance(domain, Mapping):
        listed = _range(domain)
    else:
        listed = domain if isinstance(domain, list) else [domain]
    if not listed:
        raise ValueError("must have at least one value, got []")
    values = [checked_value(family, knob.name, value) for value in listed]
    return Dimension(name=knob.name, values=tuple(dict.fromkeys(values)), when=when)


def checked_value(family: Family, knob: str, value: object) -> Any:
    """`value` as the family's spec stores it; ValueError where the knob does not take it."""
    info = family.spec.model_fields[knob]
    check_truth(info, value)
    annotation: Any = info.annotation
    if info.metadata:
        annotation = Annotated[annotation, *info.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{message}, got {value!r}") from None


def _range(domain: Mapping[str, object]) -> list[int | float]:
    """The values of `{low, high, step}`, both ends included where the step hits them."""
    unknown = set(domain) - {"low", "high", "step"}
    if unknown or not {"low", "high"} <= set(domain):
        raise ValueError(
            f"must be {{low, high, step}} or {{values, when}}, got keys {sorted(map(str, domain))}"
        )
    low, high = parse_quantity(domain["low"]), parse_quantity(domain["high"])
    step = parse_quantity(domain.get("step", 1))
    if step <= 0 or low > high:
        raise ValueError(f"low <= high and step > 0 must hold, got {low}, {high}, {step}")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise ValueError(f"must have at most {MAX_VALUES} values, got {count}; use a larger step")
    return [round(low + number * step, 10) for number in range(count)]
