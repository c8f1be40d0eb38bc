"""The JSON schema of sweep files, made from the settings' own types, bounds and descriptions.

An editor uses it to complete keys and to underline mistakes. It accepts every file that `read_config` accepts, and
refuses unknown keys, unknown names and numbers out of bounds. Rules that connect several settings are left to
`srsweep check`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, PydanticJsonSchemaWarning

from searchspace.cost import COSTS
from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.quantity import NUMBER
from searchspace.spec import Knob, adapter_of, knobs
from sweeps.config.faults import FOCUSED, OBJECTIVES
from sweeps.config.sweep_config import INTERNAL, SweepConfig
from sweeps.config.yaml_lines import SWEEP
from sweeps.measure.latency_objective import LATENCY
from sweeps.sinks.table import SINKS

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "A sweep file of srsweep"
"""The title of the schema, by which a file with this schema is recognised."""
BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
"""Names of bounds that pydantic leaves in the schema of a number with a validator, and their names in JSON schema."""
QUANTITY, RANGE = "quantity", "range"
"""Names of two definitions: a number that is written as text, such as 150k or 100_000, and {low, high, step}."""
AUTO: Schema = {"const": "auto"}
SPAN: Schema = {
    "type": "string",
    "pattern": rf"^\s*{NUMBER.pattern}\s*\.\.\s*{NUMBER.pattern}\s*$",
}
"""A range as text, such as 50k..150k."""


def sweep_schema() -> Schema:
    """Returns the JSON schema of sweep files, as values of JSON types. Keys beside `metadata.sweep` belong to Ray."""
    found = _of_settings()
    properties = found["properties"]
    for name in INTERNAL:
        del properties[name]
    definitions = found.pop("$defs") | _shared()
    families = {name: _family(family, definitions) for name, family in FAMILIES.items()}
    properties["families"] |= _mapping(families) | {"minProperties": 1}
    properties["objectives"]["propertyNames"] = {"enum": list(OBJECTIVES)}
    limits: Schema = {name: _number({"type": "number"}) for name in COSTS}
    milliseconds: Schema = {"type": ["number", "string"]}
    timed = dict.fromkeys((LATENCY, PREDICTED_LATENCY), milliseconds)
    properties["budget"] |= _mapping(limits | timed)
    properties["device"] |= {"type": ["string", "object", "null"]}
    properties["log"] |= _mapping(
        {name: {"type": "string", "description": sink.takes} for name, sink in SINKS.items()}
    )
    properties["constraints"]["items"] = {"type": "string"}
    definitions["SearchSettings"]["properties"]["focus"]["propertyNames"] = {"enum": [*FOCUSED]}
    definitions["CostRange"] = {"anyOf": [SPAN, definitions["CostRange"]]}
    schema: Schema = found
    for key in reversed(SWEEP):
        schema = {"type": "object", "required": [key], "properties": {key: schema}}
    return {
        "$schema": DIALECT,
        "title": TITLE,
        **schema,
        "$defs": _used(schema, definitions),
    }


def _shared() -> Schema:
    """Returns the definitions that several settings refer to."""
    end = _number({"type": "number"})
    return {
        QUANTITY: {"type": "string", "pattern": rf"^\s*{NUMBER.pattern}\s*$"},
        RANGE: _mapping({"low": end, "high": end, "step": end}, required=["low", "high"]),
    }


class _Generate(GenerateJsonSchema):
    """Leaves a type open if JSON has no such type. Only fields that a file must not contain have such types."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        return {}


def _of_settings() -> Schema:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PydanticJsonSchemaWarning)  # of a default of such a field
        return _written(SweepConfig.model_json_schema(schema_generator=_Generate))


def _written(node: Any) -> Any:
    """Returns a part of pydantic's schema with the bounds and the numbers as a sweep file writes them.

    Titles are left out, because they repeat the names of the keys.
    """
    if isinstance(node, list):
        return [_written(each) for each in node]
    if not isinstance(node, dict):
        return node
    # Under `properties`, a key such as `title` is the name of a setting.
    written: Schema = {
        BOUNDS.get(str(key), str(key)): {name: _written(each) for name, each in value.items()}
        if key in ("properties", "$defs")
        else value
        if key == "default"
        else _written(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
    if "description" in written:
        written["description"] = " ".join(written["description"].split())
    return _number(written) if written.get("type") in ("integer", "number") else written


def _number(node: Mapping[str, Any]) -> Schema:
    """Returns the schema `node` of a number, which may also be written as text with a suffix."""
    outside = {key: node[key] for key in ("description", "default") if key in node}
    inside = {key: value for key, value in node.items() if key not in outside}
    return {**outside, "anyOf": [inside, _reference(QUANTITY)]}


def _used(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Returns those `definitions` that `schema` refers to, directly or through other definitions."""
    found: Schema = {}
    missing = list(_references(schema))
    while missing:
        name = missing.pop()
        if name not in found:
            found[name] = definitions[name]
            missing += _references(found[name])
    return dict(sorted(found.items()))


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, list):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.removeprefix("#/$defs/")
            else:
                yield from _references(value)


def _family(family: Family, definitions: Schema) -> Schema:
    """Returns the schema of one family's entry under `families`. Adds the definitions that it needs to `definitions`.

    Each knob has three definitions: `family.knob` (one value), `family.knob.values` (a value or a list of values) and
    `family.knob.domain` (every form of an entry without a condition, see `searchspace.space`).
    """
    known = knobs(family.spec)
    for name in known:
        path = f"{family.name}.{name}"
        definitions[path] = _value(family, name)
        listed = {"type": "array", "minItems": 1, "items": _reference(path)}
        definitions[f"{path}.values"] = {"anyOf": [_reference(path), listed]}
        forms = [_reference(f"{path}.values"), AUTO, _reference(RANGE)]
        definitions[f"{path}.domain"] = {"anyOf": forms}
    conditions = {name: _reference(f"{family.name}.{name}.values") for name in known}
    definitions[f"{family.name}.when"] = {"anyOf": [_mapping(conditions), {"type": "null"}]}
    searched = _mapping({name: _entry(family, knob) for name, knob in known.items()})
    return {"description": family.source, "anyOf": [AUTO, {"type": "null"}, searched]}


def _value(family: Family, name: str) -> Schema:
    """Returns the schema of one value of a knob."""
    schema: Schema = adapter_of(family.spec.model_fields[name]).json_schema()
    return {BOUNDS.get(key, key): value for key, value in schema.items()}


def _entry(family: Family, knob: Knob) -> Schema:
    """Returns the schema of a knob's entry, with or without a condition."""
    domain = _reference(f"{family.name}.{knob.name}.domain")
    when = _reference(f"{family.name}.when")
    with_condition = _mapping({"values": domain, "when": when}, required=["values"])
    return {
        "description": knob.description,
        "default": knob.default,
        "anyOf": [domain, with_condition],
    }


def _mapping(properties: Schema, required: Sequence[str] = ()) -> Schema:
    """Returns the schema of a mapping with these keys and no others."""
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return schema | ({"required": list(required)} if required else {})


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
