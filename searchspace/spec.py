"""Specs: an architecture as a value.

A Spec is a frozen pydantic model with one field per knob. The defaults are the published network. The `Search`
annotation of a field lists the values that a sweep tries under `auto`. The docstring under a field says what the
knob does. Nothing here imports torch.
"""

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from searchspace.errors import UserError


@dataclass(frozen=True)
class Search:
    """The values of a knob that are worth trying. A sweep tries them when its file says `auto`."""

    values: tuple[Any, ...]


def one_of(names: Iterable[str]) -> AfterValidator:
    """Returns a validator: the field must hold one of `names` (the keys of a table of strategies)."""
    known = tuple(names)

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}; {nearest(value, known)}")
        return value

    return AfterValidator(check)


def name_or_numbers(*names: str) -> BeforeValidator:
    """Returns a validator: the field must hold one of `names` or a list of numbers from 0.

    The list is stored sorted and without duplicates.
    """

    def check(value: object) -> object:
        if isinstance(value, list | tuple):
            if not all(type(item) is int and item >= 0 for item in value):
                raise ValueError("a list must hold whole numbers from 0")
            return tuple(sorted(set(value)))
        if value not in names:
            raise ValueError(
                f"must be one of {', '.join(names)} or a list of numbers; {nearest(value, names)}"
            )
        return value

    return BeforeValidator(check)


def check_truth(field: FieldInfo, value: object) -> None:
    """Raises UserError if `value` is true or false and the field is not a bool. Python would read them as 1 and 0."""
    if isinstance(value, bool) and field.annotation is not bool:
        raise UserError(f"must not be true or false, got {value}")


class Spec(BaseModel):
    """The knobs of one architecture family. Unknown keys are rejected."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name in values.keys() & cls.model_fields.keys():
                check_truth(cls.model_fields[name], values[name])
        return values

    def canonical(self) -> Self:
        """Returns the one spec that represents all specs of the same network.

        A family overrides this method if a knob can be written in several ways, or can be without effect.
        """
        return self

    def changed(self) -> dict[str, Any]:
        """Returns the knobs that differ from the published default, in JSON types and in order of declaration."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True, kw_only=True)
class Knob:
    """What sweep files and `srsweep families` need to know about one field of a Spec."""

    name: str
    default: Any
    search: tuple[Any, ...]
    """The values tried under `auto`. Only the default if the family lists none."""
    description: str
    type_name: str


def knobs(spec_class: type[Spec]) -> dict[str, Knob]:
    """Returns the knobs of a family by name, in order of declaration."""
    found = {}
    for name, field in spec_class.model_fields.items():
        search = next((m.values for m in field.metadata if isinstance(m, Search)), None)
        found[name] = Knob(
            name=name,
            default=field.default,
            search=search if search is not None else (field.default,),
            description=" ".join((field.description or "").split()),
            type_name=_type_name(field.annotation),
        )
    return found


def digest(family: str, canonical: Spec) -> str:
    """Returns sixteen hexadecimal digits that identify an architecture. They are the same on every machine.

    The digest leaves out knobs at their default. So a family can gain a knob, and the digests already stored stay valid.
    """
    text = json.dumps([family, canonical.changed()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns 'did you mean ...?' if a known name is similar, otherwise 'known: ' and all known names."""
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    close = close or difflib.get_close_matches(str(name).lower(), names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {', '.join(names)}"


def explain(
    error: ValidationError, known: Callable[[tuple[str, ...]], Iterable[str]]
) -> list[tuple[tuple[str, ...], str]]:
    """Returns every mistake in `error` as (path, sentence). For an unknown key the sentence suggests a known one.

    `known` returns the keys that are valid under a path.
    """
    faults = []
    for fault in error.errors(include_url=False):
        path = tuple(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            text = f"no such key; {nearest(path[-1], known(path[:-1]))}"
        elif fault["type"] == "missing":
            text = "is missing"
        else:
            text = fault["msg"].removeprefix("Value error, ")
            # The validators of srsweep already say what they got.
            if ", got " not in text:
                got = f"got {fault['input']!r}"
                text += f" ({got})" if text.endswith("?") else f", {got}"
        faults.append((path, text))
    return faults


def _type_name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
