"""The recipe: the training settings that a sweep searches together with the network.

This package does not know what the settings mean. A space treats them as further dimensions, with names that begin with
PREFIX. An architecture carries the values that were chosen for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "train."
"""The prefix of a setting's name in mappings that also hold knobs. Names of knobs have no dot."""


class Recipe(dict[str, Any]):
    """Training settings by name, without PREFIX. A recipe has a hash, so it must not be changed.

    Values that are lists become tuples, and values that are mappings become Recipe, so that every value has a hash.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def frozen(value: Any) -> Any:
    """Returns a value of JSON types in a form that has a hash: lists become tuples, and mappings become Recipe."""
    if isinstance(value, Mapping):
        return Recipe({str(name): frozen(each) for name, each in sorted(value.items())})
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], Recipe]:
    """Returns the knobs among `values`, and the recipe: the values whose names begin with PREFIX."""
    knobs = {name: value for name, value in values.items() if not name.startswith(PREFIX)}
    return knobs, frozen({n[len(PREFIX) :]: values[n] for n in values.keys() - knobs.keys()})


def has_settings(recipe: Recipe, names: Iterable[str]) -> bool:
    """Returns whether the settings of `recipe` are exactly those of `names` that begin with PREFIX."""
    return {f"{PREFIX}{name}" for name in recipe} == {n for n in names if n.startswith(PREFIX)}
