"""Properties that hold for every spec, quantity, constraint and table, on generated examples."""

import json
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from searchspace.architecture import Architecture, architecture
from searchspace.constraint import parse_constraint
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.quantity import SUFFIXES, format_quantity, parse_quantity
from searchspace.space import parse_space
from searchspace.spec import knobs
from searchspace.table.space_table import ADDITIVE, SpaceTable
from srsweep.options import parse_architecture
from tests.searchspace.generated import specs, values_of

EXACT = 2**53
"""Whole numbers up to here are floats without loss."""
FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_every_way_of_writing_a_spec_down_gives_its_key_back(
    name: str, data: st.DataObject
) -> None:
    spec = data.draw(specs(FAMILIES[name]))
    key = Architecture(family=FAMILIES[name], spec=spec).key
    canonical = spec.canonical()
    assert canonical.canonical() == canonical
    for one in (spec, canonical):
        written = one.model_dump(mode="json")
        assert architecture(name, json.loads(json.dumps(written))).key == key
        assert architecture(name, yaml.safe_load(yaml.safe_dump(written))).key == key
        assert architecture(name, one.changed()).key == key


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_a_label_read_as_a_command_line_is_the_same_network(name: str, data: st.DataObject) -> None:
    built = Architecture(family=FAMILIES[name], spec=data.draw(specs(FAMILIES[name])))
    family, *knob_values = built.label.split(" ")
    assert parse_architecture(family, knob_values).key == built.key


@given(st.integers(-EXACT, EXACT))
def test_a_whole_number_is_read_exactly_in_every_spelling(number: int) -> None:
    for written in (number, str(number), f"{number:_}", f" {number} "):
        found = parse_quantity(written)
        assert (found, type(found)) == (number, int)


@given(st.integers(0, 10**6), st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_multiplies(number: int, suffix: str) -> None:
    assert parse_quantity(f"{number}{suffix}") == number * SUFFIXES[suffix]
    assert parse_quantity(f"{number / 8} {suffix}") == number * SUFFIXES[suffix] / 8


@given(FINITE)
def test_a_formatted_quantity_is_read_back_to_four_digits(value: float) -> None:
    assert parse_quantity(repr(value)) == value
    assert math.isclose(parse_quantity(format_quantity(value)), value, rel_tol=5.001e-4)


@given(
    st.text() | st.from_regex(r"[+-]?[\d_.]+[eE]?[+-]?\d*[kKMGTx]?") | st.integers() | st.floats()
)
def test_anything_is_either_a_finite_number_or_refused(value: object) -> None:
    number, refusal = None, ""
    try:
        number = parse_quantity(value)
    except UserError as error:
        refusal = str(error)
    if number is None:
        assert "must be a" in refusal
        assert "\n" not in refusal
    else:
        assert math.isfinite(number)
        assert isinstance(number, int) == (number == int(number))


@given(
    st.sampled_from(["params", "multadds", "n_feats"]),
    st.sampled_from(["<=", ">=", "<", ">", "=="]),
    st.integers(0, 9999),
    st.sampled_from(sorted(SUFFIXES)),
    st.integers(0, 10**16),
)
def test_a_constraint_is_read_back_from_its_own_text(
    name: str, comparison: str, number: int, suffix: str, value: int
) -> None:
    limit = number * SUFFIXES[suffix]
    constraint = parse_constraint(f"{name}{comparison} {number}{suffix}", ["n_feats"])
    assert parse_constraint(str(constraint), ["n_feats"]) == constraint
    for each in (value, limit - 1, limit, limit + 1):
        allowed = {
            "<=": each <= limit,
            ">=": each >= limit,
            "<": each < limit,
            ">": each > limit,
            "==": each == limit,
        }
        assert constraint.allows(each) is allowed[comparison]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=2)
@given(data=st.data())
def test_table_of_a_small_space_holds_the_counted_costs(name: str, data: st.DataObject) -> None:
    family = FAMILIES[name]
    known = list(knobs(family.spec).values())
    searched = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    written = {
        knob.name: data.draw(st.lists(values_of(family, knob), min_size=1, max_size=2))
        for knob in searched
    }
    space, faults = parse_space({name: written}, ())
    assert not faults
    table = SpaceTable(space, family.scales[0])
    held = [table.architecture(row) for row in range(len(table))]
    assert [each.key for each in held] == [each.key for each in space.architectures]
    for row, each in enumerate(held):
        counted = costs(each, table.scale)
        assert {cost: table.costs[cost][row] for cost in ADDITIVE} == {
            cost: counted[cost] for cost in ADDITIVE
        }
