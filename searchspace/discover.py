"""Finds the families: every module and package in `searchspace.families` defines one family as FAMILY."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from searchspace import families
from searchspace.errors import UserError
from searchspace.family import Family
from searchspace.synonyms import nearest


class Families(Mapping[str, Family]):
    """All families by name. The module of a family is imported at the first access to this family.

    The modules import torch, which takes seconds. Commands that only read the database access no family.
    """

    def __init__(self) -> None:
        self._names = [module.name for module in pkgutil.iter_modules(families.__path__)]
        self._found: dict[str, Family] = {}

    def __getitem__(self, name: str) -> Family:
        if name not in self._found:
            if name not in self._names:
                raise KeyError(name)
            family = importlib.import_module(f"{families.__name__}.{name}").FAMILY
            assert isinstance(family, Family), name
            assert family.name == name, f"the module {name} defines the family {family.name}"
            self._found[name] = family
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


FAMILIES: Mapping[str, Family] = Families()
"""All families by name."""


def find_family(name: str) -> Family:
    """Returns the family called `name`. If there is none, raises UserError with the closest known name."""
    if name not in FAMILIES:
        raise UserError(f"unknown family {name!r}; {nearest(name, FAMILIES)}")
    return FAMILIES[name]
