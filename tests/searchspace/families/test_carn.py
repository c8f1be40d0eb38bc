import pytest
import torch
from torch import nn

from searchspace.architecture import architecture
from searchspace.cost import costs, subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.carn import Carn, CarnSpec, CascadingBlock

CARN_M = {"unit": "efficient", "groups": 4, "recursive": True}


@pytest.mark.parametrize(
    ("scale", "params", "multadds"),
    [(2, 964_163, 222.821), (3, 1_148_803, None), (4, 1_111_875, 90.873)],
)
def test_single_scale_network_has_the_counts_in_the_facts(
    scale: int, params: int, multadds: float | None
) -> None:
    counted = costs(architecture("carn", {}), scale)
    assert counted["params"] == params
    assert multadds in (None, round(counted["multadds"] / 1e9, 3))


def test_third_is_counted_at_the_exact_number_of_pixels() -> None:
    exact = CONVENTIONS["multadds_exact_third"]
    assert round(exact(subject(architecture("carn", {}), 3)) / 1e9, 2) == 118.79
    assert round(exact(subject(architecture("carn", CARN_M), 3)) / 1e9, 2) == 46.12


@pytest.mark.parametrize(
    ("values", "convention", "count"),
    [
        ({}, "trained_three_scales", 1_591_939),
        (CARN_M, "trained_three_scales", 414_787),
        (CARN_M, "weights_three_scales", 412_032),
    ],
)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_three_scale_count_is_the_same_from_every_scale(
    values: dict[str, object], convention: str, count: int, scale: int
) -> None:
    assert CONVENTIONS[convention](subject(architecture("carn", values), scale)) == count


@pytest.mark.parametrize(
    ("values", "params"),
    [({"attention": "global"}, 1_119_235), ({"residual_scaling": "channelwise"}, 1_112_451)],
)
def test_strategies_are_counted_as_in_the_facts(values: dict[str, object], params: int) -> None:
    assert costs(architecture("carn", values), 4)["params"] == params


@pytest.mark.parametrize(("scale", "multadds"), [(2, 91.172), (4, 32.481)])
def test_carn_m_has_the_multadds_in_the_facts(scale: int, multadds: float) -> None:
    counted = costs(architecture("carn", CARN_M), scale)["multadds"]
    assert round(counted / 1e9, 3) == multadds


def test_recursive_block_computes_what_equal_blocks_would() -> None:
    torch.manual_seed(0)
    shared = CascadingBlock(CarnSpec(n_feats=8, recursive=True))
    separate = CascadingBlock(CarnSpec(n_feats=8))
    separate.fusions.load_state_dict(shared.fusions.state_dict())
    for unit in separate.units:
        unit.load_state_dict(shared.units[0].state_dict())
    x = torch.rand(1, 8, 5, 5)
    assert torch.equal(shared(x), separate(x))


def test_every_unit_sees_all_features_before_it() -> None:
    block = CascadingBlock(CarnSpec(n_feats=8))
    inputs = [
        fusion[0].in_channels for fusion in block.fusions if isinstance(fusion, nn.Sequential)
    ]
    assert inputs == [16, 24, 32]


def test_a_block_of_one_unit_has_nothing_to_share() -> None:
    one = {"n_units": 1}
    assert architecture("carn", one | {"recursive": True}) == architecture("carn", one)


def test_groups_that_do_not_divide_the_channels_are_rejected() -> None:
    with pytest.raises(ValueError, match="groups must divide n_feats, got groups=3, n_feats=64"):
        architecture("carn", {"groups": 3})


def test_state_is_in_the_order_of_the_authors_code() -> None:
    state = Carn(CarnSpec(n_feats=8, n_blocks=2, n_units=2), 2).state_dict()
    fusions = [(8, 16, 1, 1), (8,), (8, 24, 1, 1), (8,)]
    block = [*[(8, 8, 3, 3), (8,)] * 4, *fusions]
    assert [tuple(t.shape) for t in state.values()] == [
        *[(3, 3, 1, 1), (3,)] * 2,
        *[(8, 3, 3, 3), (8,)],
        *block * 2,
        *fusions,
        *[(32, 8, 3, 3), (32,)],
        *[(3, 8, 3, 3), (3,)],
    ]
