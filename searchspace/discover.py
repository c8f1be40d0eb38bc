"""The families: every module in `searchspace.families` that defines FAMILY, found by itself."""

import importlib
import pkgutil

from searchspace import families
from searchspace.family import Family
from searchspace.spec import nearest


def _discover() -> dict[str, Family]:
    found = {}
    for module in pkgutil.iter_modules(families.__path__):
        family = importlib.import_module(f"{families.__name__}.{module.name}").FAMILY
        assert isinstance(family, Family), module.name
        assert family.name not in found, module.name
        found[family.name] = family
    return found


FAMILIES: dict[str, Family] = _discover()


def find_family(name: str) -> Family:
    """The family called `name`; ValueError with the nearest known name otherwise."""
    if name not in FAMILIES:
        raise ValueError(f"unknown family {name!r}; {nearest(name, FAMILIES)}")
    return FAMILIES[name]
