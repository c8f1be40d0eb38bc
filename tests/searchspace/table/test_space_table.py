"""The table of a space against the same architectures built and counted one by one."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from benchmarks.search.speed import MILLION
from searchspace.architecture import Architecture, architecture
from searchspace.constraint import parse_constraint
from searchspace.cost import costs
from searchspace.space import Space, feasible, parse_space
from searchspace.table.cost_parts import Parts
from searchspace.table.space_table import ADDITIVE, SpaceTable

SMALL = {
    "slwsr": {
        "n_feats": [4, 6],
        "n_blocks": [2, 4, "2-1/1"],
        "local_blocks": [1, 2, 3],
        "compression": ["none", "tail", [0, 1]],
        "expand_ratio": {"values": [1, 2], "when": {"compression": ["tail", [0, 1]]}},
        "expand_conv": ["auto", "always"],
        "pool_layers": ["none", "default"],
        "attention": ["none", "enhanced_spatial"],
    }
}
"""With combinations that are invalid (fewer blocks than local blocks) and many that coincide."""


def space_of(written: object) -> Space:
    space, faults = parse_space(written, ())
    assert not faults
    return space


def assert_counted(table: SpaceTable, rows: list[int]) -> None:
    for row in rows:
        counted = costs(table.architecture(row), table.scale)
        assert {name: table.costs[name][row] for name in ADDITIVE} == {
            name: counted[name] for name in ADDITIVE
        }


def by_key(architectures: Iterable[Architecture]) -> dict[str, dict[str, object]]:
    return {each.key: each.knobs for each in architectures}


def test_table_holds_every_architecture_once_in_its_first_spelling() -> None:
    space = space_of(SMALL)
    table = SpaceTable(space, 2)
    held = [table.architecture(row) for row in range(len(table))]
    assert table.exact
    assert len(by_key(held)) == len(held) == len(space)
    assert by_key(held) == by_key(space.architectures)


def test_costs_equal_those_counted_one_by_one() -> None:
    table = SpaceTable(space_of(SMALL), 3)
    assert_counted(table, Random(0).sample(range(len(table)), 60))


def test_costs_of_an_architecture_are_looked_up_in_any_spelling() -> None:
    table = SpaceTable(space_of(SMALL), 3)
    by_number = {"n_feats": 6, "n_blocks": 4, "local_blocks": 2, "compression": "tail"}
    by_layout = by_number | {"n_blocks": "2-1/1"}
    counted = costs(architecture("slwsr", by_number), 3)
    expected = {name: counted[name] for name in ADDITIVE}
    for knobs in (by_number, by_layout):
        assert table.costs_of(architecture("slwsr", knobs)) == expected
    assert table.costs_of(architecture("slwsr", by_number | {"n_feats": 5})) is None
    assert table.costs_of(architecture("edsr", {})) is None


@pytest.mark.slow
def test_costs_of_a_space_of_a_million_are_exact() -> None:
    table = SpaceTable(space_of({"slwsr": MILLION}), 4)
    assert len(table) > 1_000_000
    assert_counted(table, Random(1).sample(range(len(table)), 150))


@pytest.mark.parametrize(
    "written",
    [
        {
            "mssn": {
                "n_feats": [8, 12],
                "unit": ["mawru", "shufflenet_v1"],
                "shuffle_groups": [2, 8],
            }
        },
        {"imdn": {"n_feats": [8, 10], "n_blocks": [1, 2], "distillation_rate": [0.2, 0.25]}},
        {"edsr": {"n_blocks": [1, 2], "n_feats": [4, 8]}, "carn": {"n_feats": [4, 8]}},
    ],
    ids=lambda written: "+".join(written),
)
@pytest.mark.parametrize("parts", [None, Parts(together=("n_feats",))], ids=["none", "wrong"])
def test_without_parts_that_add_up_networks_are_counted_one_by_one(
    written: object, parts: Parts | None
) -> None:
    space = space_of(written)
    replaced = [replace(part, family=replace(part.family, parts=parts)) for part in space.families]
    table = SpaceTable(Space(families=tuple(replaced)), 2)
    rows = range(len(table))
    assert by_key(map(table.architecture, rows)) == by_key(space.architectures)
    assert_counted(table, list(rows))


@pytest.mark.parametrize("text", ["params <= 6000", "n_feats >= 6", "expand_ratio < 2"])
def test_feasible_rows_are_those_that_meet_the_constraint(text: str) -> None:
    table = SpaceTable(space_of(SMALL | {"fsrcnn": {"n_feats": [4, 8]}}), 2)
    constraint = parse_constraint(text, ["n_feats", "expand_ratio"])
    allowed = table.feasible([constraint])
    rows = range(0, len(table), 7)
    expected = [feasible(table.architecture(row), (constraint,), 2) for row in rows]
    assert [bool(allowed[row]) for row in rows] == expected
    assert 0 < sum(expected) < len(expected)


def test_larger_spaces_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("searchspace.table.space_table.MAX_SPELLINGS", 100)
    monkeypatch.setattr("searchspace.table.space_table.MAX_SAMPLED", 80)
    table = SpaceTable(space_of(SMALL), 2)
    assert not table.exact
    assert 10 < len(table) <= 80
    assert_counted(table, list(range(10)))
