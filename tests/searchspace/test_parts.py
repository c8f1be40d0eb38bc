"""Costs composed from parts against whole networks, for every family over all its knobs."""

from collections.abc import Mapping

import pytest

from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.family_table import ADDITIVE, FamilyTable
from searchspace.space import parse_space
from searchspace.spec import knobs

ALSO: dict[str, Mapping[str, object]] = {
    "slwsr": {
        "n_blocks": [4, 5, "1-2-1/1", "1-1/0-0", "6"],
        "local_blocks": [1, 2, 3],
        "compression": ["none", "head", "all", [0, 2]],
        "expand_conv": ["auto", "always"],
        "compress_bias": [False, True],
        "compress_norm": ["none", "batch"],
        "pool_layers": ["none", "default", "all", [1]],
    }
}
"""Values of knobs that `auto` holds still, or whose networks are large."""
NUM_CHECKED = 25


def whole(family: Family) -> Mapping[str, object]:
    """All knobs at all values that the family names, a few odd widths, and few repetitions."""
    space: dict[str, object] = {
        name: list(knob.search) for name, knob in knobs(family.spec).items()
    }
    space["n_feats"] = [8, 12, 16, 40]
    repeats = {} if family.parts is None else family.parts.repeats
    for name in repeats.keys() & family.spec.model_fields.keys():
        least = repeats[name]
        space[name] = [least, least + 1, least + 2, least + 4]
    return {**space, **ALSO.get(family.name, {})}


def tabulated(family: Family, written: Mapping[str, object], scale: int) -> FamilyTable:
    space, faults = parse_space({family.name: written}, ())
    assert not faults
    return FamilyTable(space.families[0], scale, 0, 4_000)


def counted(architecture: Architecture, scale: int) -> list[int]:
    found = costs(architecture, scale)
    return [found[name] for name in ADDITIVE]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_composed_costs_equal_those_of_whole_networks(name: str) -> None:
    family = FAMILIES[name]
    scale = family.scales[len(name) % len(family.scales)]
    table = tabulated(family, whole(family), scale)
    assert family.parts is not None
    assert table.composition.quantities.keys() == set(family.parts.names)
    for spec, digits in table.random_architectures(NUM_CHECKED):
        composed = table.costs(digits)[0].tolist()
        assert composed == counted(Architecture(family=family, spec=spec), scale), spec
