"""The keys that each part of a sweep file may have, for hints about unknown ones."""

from collections.abc import Collection
from typing import Any, get_args

from pydantic import BaseModel

from searchspace.synonyms import meant

SECTIONS = ("train", "search", "data", "resources", "search.halving", "")
"""Parts of a sweep file in which `elsewhere` looks for a misplaced key."""


def known_keys(
    sweep: type[BaseModel], path: tuple[str, ...], internal: Collection[str]
) -> list[str]:
    """Returns the keys that are allowed under `path` of a sweep with the settings `sweep`, except the `internal` ones."""
    model: Any = sweep
    for part in path:
        if not part.isdigit():  # an item of a list has the keys of the list's type
            model = _model(model.model_fields[part].annotation)
    return [name for name in model.model_fields if name not in internal]


def elsewhere(sweep: type[BaseModel], name: str, internal: Collection[str]) -> str | None:
    """Returns the path of the setting called `name` or a synonym of it, such as train.steps or metadata.sweep.seed.

    Returns None if there is no such setting.
    """
    for section in SECTIONS:
        keys = known_keys(sweep, tuple(filter(None, section.split("."))), internal)
        if found := meant(name, keys, similar=False):
            return f"{section or 'metadata.sweep'}.{found}"
    return None


def _model(annotation: Any) -> Any:
    """Returns the settings class in an annotation that may also allow None or be a list of such settings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model, get_args(annotation))), None)
