"""Finds the families: imports every module and package in `searchspace.families` and reads its FAMILY."""

import importlib
import pkgutil

from searchspace import families
from searchspace.errors import UserError
from searchspace.family import Family
from searchspace.synonyms import nearest


def _discover() -> dict[str, Family]:
    found = {}
    for module in pkgutil.iter_modules(families.__path__):
        family = importlib.import_module(f"{families.__name__}.{module.name}").FAMILY
        assert isinstance(family, Family), module.name
        assert family.name not in found, module.name
        found[family.name] = family
    return found


FAMILIES: dict[str, Family] = _discover()
"""All families by name."""


def find_family(name: str) -> Family:
    """Returns the family called `name`. If there is none, raises UserError, which suggests the closest known name."""
    if name not in FAMILIES:
        raise UserError(f"unknown family {name!r}; {nearest(name, FAMILIES)}")
    return FAMILIES[name]
