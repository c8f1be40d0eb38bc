"""The keys of a sweep file that name a file or a folder, and the names that a sweep may have."""

from collections.abc import Mapping
from typing import Any

from searchspace.errors import UserError, shown
from searchspace.space import Fault
from sweeps.checkpoints.object_store import is_url
from sweeps.paths import expanded, with_variables

SETS = ("train", "validation")
"""Keys under `data` whose value names image sets or folders, joined by + or as a list."""
FILE_ENDINGS = (".yaml", ".yml")
"""Endings that distinguish a sweep file from the name of a sweep on the command line. Letter case does not matter."""


def is_sweep_file(name: str) -> bool:
    """Returns whether commands treat `name` as a sweep file instead of the name of a sweep."""
    return name.lower().endswith(FILE_ENDINGS)


def name_fault(name: object) -> str | None:
    """Returns why a new sweep must not have this name, or None if it may. The pattern of names is SWEEP_NAME.

    A sweep that is already stored under such a name keeps it.
    """
    if isinstance(name, str) and is_sweep_file(name):
        return f"must not end in .yaml or .yml, which marks a sweep file, got {shown(name)}"
    return None


def expand_folder(value: str) -> str:
    """Returns a folder with ~ and $VAR expanded, or the URL of an object store with $VAR expanded."""
    return with_variables(value) if is_url(value) else expanded(value)


def expand_local(value: str) -> str:
    """Returns a folder on this machine with ~ and $VAR expanded. Raises UserError for a URL, because a URL is not a folder."""
    if "://" in value:
        raise UserError(
            f"must be a folder on the machine's own disk, not a URL, got {shown(value)}"
        )
    return expanded(value)


def expand_data(data: object) -> tuple[Any, list[Fault]]:
    """Returns the section `data` with ~ and $VAR expanded in its folders, and the faults in these folders."""
    if not isinstance(data, Mapping):
        return data, []  # pydantic reports it
    found = dict(data)
    faults: list[Fault] = []
    for key in ("root", *SETS):
        try:
            if key in data:
                found[key] = _expand(key, data[key])
        except UserError as error:
            faults.append(((key,), str(error)))
    return found, faults


def _expand(key: str, value: object) -> object:
    if isinstance(value, list):
        return [_expand("", each) for each in value]
    if not isinstance(value, str):
        return value
    return "+".join(map(expanded, value.split("+"))) if key in SETS else expanded(value)
