"""The recipe: the training settings that a sweep searches together with the network.

This package does not know what the settings mean. A space treats them as further dimensions, whose names begin with
PREFIX, and an architecture carries the values that were chosen for it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "train."
"""The prefix of a setting's name in mappings that also hold knobs. Names of knobs have no dot."""


class Recipe(dict[str, Any]):
    """Training settings by name, without PREFIX. Equal recipes have equal hashes, so a recipe must not be changed.

    Lists among the values are stored as tuples, and mappings as Recipe, so that every value has a hash.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def frozen(value: Any) -> Any:
    """Returns a value of JSON types in a form that has a hash: lists as tuples, and mappings as Recipe."""
    if isinstance(value, Mapping):
        return Recipe({str(name): frozen(each) for name, each in sorted(value.items())})
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], Recipe]:
    """Returns the knobs among `values`, and the recipe: the values whose names begin with PREFIX."""
    knobs = {name: value for name, value in values.items() if not name.startswith(PREFIX)}
    return knobs, frozen({n[len(PREFIX) :]: values[n] for n in values.keys() - knobs.keys()})


def has_settings(recipe: Recipe, names: Iterable[str]) -> bool:
    """Returns whether `recipe` has exactly the settings that begin with PREFIX in `names`."""
    return {f"{PREFIX}{name}" for name in recipe} == {n for n in names if n.startswith(PREFIX)}
