"""Specs: values that describe architectures.

A Spec is a frozen pydantic model with one field per knob. The default values describe the published network. The
`Search` annotation of a field lists the values that a sweep tries if its file says `auto`. The docstring under a field
describes the knob. This module does not import torch.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from searchspace.errors import UserError, shown
from searchspace.synonyms import guess, meant, nearest, note

Scale = Literal[2, 3, 4, 8]
SCALES: tuple[int, ...] = get_args(Scale)
"""Upscaling factors that at least one family is built for."""
MISSING = "is missing"
"""The message about a required key that is not given."""


@dataclass(frozen=True)
class Search:
    """The values of a knob that are worth trying. A sweep tries these values if its file says `auto`."""

    values: tuple[Any, ...]
    only_if_named: bool = False
    """Whether the sweep file must say `auto` for this knob itself. `auto` for the family then does not suffice. True
    for knobs that a family gained later, so that older sweep files keep their space."""


@dataclass(frozen=True)
class OneOf:
    """A validator that accepts only `names`, and lists them in the JSON schema of a sweep file."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.names)}

    def check(self, value: str) -> str:
        """Returns `value`. Raises ValueError if it is none of the names."""
        if value not in self.names:
            raise ValueError(f"must be one of {', '.join(self.names)}{guess(value, self.names)}")
        return value


def one_of(names: Iterable[str]) -> OneOf:
    """Returns a validator that accepts only `names`. Callers pass the keys of a table of strategies."""
    return OneOf(tuple(names))


@dataclass(frozen=True)
class NameOrNumbers:
    """A validator that accepts one of `names`, or a list of non-negative whole numbers."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        listed = {"type": "array", "items": {"type": "integer", "minimum": 0}}
        return {"anyOf": [{"enum": list(self.names)}, listed]}

    def check(self, value: object) -> object:
        """Returns a name as it is, and a list as a sorted tuple without duplicates. Raises ValueError otherwise."""
        if isinstance(value, list | tuple):
            if not all(type(item) is int and item >= 0 for item in value):
                raise ValueError("a list must hold non-negative whole numbers")
            return tuple(sorted(set(value)))
        if value not in self.names:
            raise ValueError(
                f"must be one of {', '.join(self.names)} or a list of whole numbers"
                f"{guess(value, self.names)}"
            )
        return value


def name_or_numbers(*names: str) -> NameOrNumbers:
    """Returns a validator that accepts one of `names`, or a list of non-negative whole numbers.

    The field stores a list as a sorted tuple without duplicates.
    """
    return NameOrNumbers(names)


@dataclass(frozen=True)
class OrText:
    """Makes the JSON schema of a sweep file also accept text for a setting.

    Another validator, which runs earlier, parses the text.
    """

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


def check_truth(field: FieldInfo, value: object) -> None:
    """Raises UserError if either `value` or the field is a bool, and the other is not.

    Without this check, a number field would accept true as 1, and a bool field would accept 'y' as true.
    """
    if isinstance(value, bool) and field.annotation is not bool:
        raise UserError(f"must not be true or false, got {value}")
    if field.annotation is bool and not isinstance(value, bool):
        raise UserError(f"must be true or false, got {shown(value)}")


def adapter_of(field: FieldInfo) -> TypeAdapter[Any]:
    """Returns the adapter that validates a single value of a field."""
    annotation: Any = field.annotation
    if field.metadata:
        annotation = Annotated[annotation, *field.metadata]
    return TypeAdapter(annotation)


_PLAIN = {
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
    **dict.fromkeys(
        ("dict_type", "model_type", "model_attributes_type", "mapping_type"),
        "must be a mapping from names to values",
    ),
}
"""Messages for pydantic's types of errors whose own messages use words of Python."""


def _sentence(fault: Mapping[str, Any]) -> str:
    """Returns what must hold, for an error of pydantic. It may lack the value that was given."""
    if fault["type"] == "too_long":
        return f"must have at most {fault['ctx']['max_length']} values"
    return _PLAIN.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")


def checked(field: FieldInfo, value: object) -> Any:
    """Returns `value` as its model stores it in the field. Raises UserError if the field does not accept the value."""
    check_truth(field, value)
    try:
        return adapter_of(field).validate_python(value)
    except ValidationError as error:
        message = _sentence(error.errors(include_url=False)[0])
        given = "" if ", got " in message else f", got {shown(value)}"
        raise UserError(f"{message}{given}") from None


class Spec(BaseModel):
    """The base class of specs. Each family derives a class with one field per knob. Unknown knobs are rejected."""

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
        """Returns the canonical spec. It is the same for all specs that describe the same network.

        A family overrides this method if different values of a knob can give the same network.
        """
        return self

    def changed(self) -> dict[str, Any]:
        """Returns the knobs with other values than the published defaults, in JSON types and in order of declaration."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True, kw_only=True)
class Knob:
    """One knob of a family: a description of one field of its Spec, for sweep files and `srsweep families`."""

    name: str
    default: Any
    search: tuple[Any, ...]
    """The values that a sweep tries if its file says `auto`. If the family lists none, the default is the only value."""
    in_auto: bool
    """Whether a sweep searches the knob if its file says `auto` for the family."""
    description: str
    """What the knob does: the docstring under its field, on one line."""
    type_name: str
    """The name of the field's type, for example 'int'."""


def knobs(spec_class: type[Spec]) -> dict[str, Knob]:
    """Returns the knobs of a family's spec class by name, in order of declaration."""
    found = {}
    for name, field in spec_class.model_fields.items():
        search = next(
            (m for m in field.metadata if isinstance(m, Search)), Search((field.default,))
        )
        found[name] = Knob(
            name=name,
            default=field.default,
            search=search.values,
            in_auto=len(search.values) > 1 and not search.only_if_named,
            description=" ".join((field.description or "").split()),
            type_name=_type_name(field.annotation),
        )
    return found


def digest(family: str, canonical: Spec) -> str:
    """Returns sixteen hexadecimal digits that identify an architecture. The digits are the same on every machine.

    The digest leaves out knobs at their default, so stored digests stay valid when a family gains a knob.
    """
    text = json.dumps([family, canonical.changed()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def explain(
    error: ValidationError,
    known: Callable[[tuple[str, ...]], Iterable[str]],
    elsewhere: Callable[[str], str | None] = lambda name: None,
) -> list[tuple[tuple[str, ...], str]]:
    """Returns every mistake in `error` as (path, sentence). The sentence about an unknown key suggests a known key.

    `known` takes a path and returns the keys that are valid there. `elsewhere` takes the name of an unknown key and
    returns the full path of a key with the same meaning in another section, or None. A missing key is not reported if
    an unknown key in the same section is a misspelling or a synonym of it.
    """
    faults, stood_for = [], set()
    for fault in error.errors(include_url=False):
        path = tuple(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            keys = list(known(path[:-1]))
            stood_for.add((*path[:-1], meant(path[-1], keys)))
            text = f"no such key; {_hint(path[-1], keys, elsewhere)}"
        elif fault["type"] == "missing":
            text = MISSING
        elif fault["type"] == "string_type" and isinstance(fault["input"], int | float):
            text = f"must be text, got {shown(fault['input'])}; put it in quotes"
        else:
            text = _sentence(fault)
            # srsweep's own validators already say which value they got.
            if ", got " not in text:
                got = f"got {shown(fault['input'])}"
                text += f" ({got})" if text.endswith("?") else f", {got}"
        faults.append((path, text))
    return [(path, text) for path, text in faults if text != MISSING or path not in stood_for]


def _hint(name: str, keys: list[str], elsewhere: Callable[[str], str | None]) -> str:
    """Returns a hint for an unknown key. A synonym in another section is preferred to a similar key in this section."""
    path = None if meant(name, keys, similar=False) else elsewhere(name)
    if path is None:
        return nearest(name, keys)
    return f"did you mean {path}?{note(name, path.rpartition('.')[2])}"


def _type_name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
