"""Every family names its blocks, and every name fits a module of a small network of it."""

import pytest
from torch import nn

from searchspace.discover import FAMILIES
from searchspace.family import Family
from searchspace.stages import Stages, fitting
from searchspace.strategies.upsample import UPSAMPLERS
from tests.searchspace.test_families import small

OF_OTHER_VALUES = {"share_source.*", "entry", "attention"}
"""Patterns of modules that only some values of the knobs build."""


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_pattern_of_a_family_fits(family: Family) -> None:
    network = family.network(small(family), family.scales[0])
    stages = family.stages
    assert stages.first(network)
    for pattern in (*stages.blocks, *stages.ends, *stages.pools, *stages.paths):
        assert pattern in OF_OTHER_VALUES or list(fitting(network, (pattern,))), pattern


def test_a_pattern_is_compared_part_by_part() -> None:
    body = nn.Sequential(*(nn.Sequential(nn.ReLU()) for _ in range(13)))
    network = nn.ModuleDict({"network": nn.ModuleDict({"layers": body})})
    assert list(fitting(network, ("layers.1*",))) == [
        f"network.layers.{n}" for n in (1, 10, 11, 12)
    ]
    assert len(list(fitting(network, ("layers.*[02468]",)))) == 7
    assert list(fitting(network, ("layers.3.*",))) == ["network.layers.3.0"]


def test_paths_inside_an_upsampler_are_found_in_any_network() -> None:
    network = nn.ModuleDict({"tail": UPSAMPLERS["scale_wise"](4, 2)})
    assert Stages().parallel_paths(network) == [f"tail.exits.{n}" for n in range(3)]
    assert Stages().parallel_paths(UPSAMPLERS["multi_kernel"](4, 2)) == [
        f"convs.{n}" for n in range(4)
    ]
