"""What is special to MSSN: its counts, units and skips (docs/facts.md 2)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.mssn import FAMILY, FULL, MEDIUM, SMALL, MssnSpec
from searchspace.family import Convention


def count(spec: MssnSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


@pytest.mark.parametrize(
    ("spec", "scale", "without_g", "with_g", "multadds", "with_bias"),
    [
        (SMALL, 2, 80_068, 82_684, 18.4255, 18.4385),
        (SMALL, 3, 85_543, 88_189, 8.7330, 8.7418),
        (SMALL, 4, 93_208, 95_896, 5.3591, 5.3665),
        (MEDIUM, 2, 290_244, 295_452, 66.8427, 66.8630),
        (MEDIUM, 3, 300_039, 305_277, 30.6598, 30.6719),
        (MEDIUM, 4, 313_752, 319_032, 18.0606, 18.0698),
        (FULL, 2, 851_416, 865_328, 196.1321, 196.1524),
        (FULL, 3, 861_211, 875_153, 88.0320, 88.0441),
        (FULL, 4, 874_924, 888_908, 50.3830, 50.3922),
    ],
)
def test_counts_under_every_convention(
    spec: MssnSpec, scale: int, without_g: int, with_g: int, multadds: float, with_bias: float
) -> None:
    assert count(spec, scale, "deployed") == without_g
    assert count(spec, scale, "trained") == with_g
    assert round(count(spec, scale, "multadds") / 1e9, 4) == multadds
    assert round(count(spec, scale, "multadds_with_bias") / 1e9, 4) == with_bias


@pytest.mark.parametrize(
    ("name", "params", "multadds"),
    [
        ("M_v1", 107_888, 6.2143),
        ("S_v1", 45_936, 2.6459),
        ("S_v2", 70_512, 4.0615),
        ("M_v2_32", 93_168, 5.3665),
        ("M_v2_64", 313_712, 18.0698),
    ],
)
def test_counts_of_table_1(name: str, params: int, multadds: float) -> None:
    (row,) = (row for row in FAMILY.published if row.name == name)
    assert count(row.spec, 4, "deployed") == params
    assert round(count(row.spec, 4, "multadds_with_bias") / 1e9, 4) == multadds


@pytest.mark.parametrize(("groups", "params"), [(2, 51_824), (4, 43_632), (8, 39_536)])
def test_counts_of_shufflenet_at_its_own_bottleneck(groups: int, params: int) -> None:
    (row,) = (row for row in FAMILY.published if row.name == "S_v1")
    spec = row.spec.model_copy(update={"expand_ratio": 0.25, "shuffle_groups": groups})
    assert count(spec, 4, "deployed") == params


def test_table_3_adds_scalars_and_nothing_else() -> None:
    baseline, units, skip, both = (
        count(row.spec, 4, "deployed") for row in FAMILY.published if row.source.endswith("Table 3")
    )
    assert (units - baseline, skip - baseline, both - baseline) == (2 * 16, 2 * 4, 2 * 16 + 2 * 4)


def test_mawru_without_scalars_is_mobilenet_v2() -> None:
    plain = MssnSpec(adaptive_weights=False)
    assert plain.canonical() == MssnSpec(unit="mobilenet_v2", adaptive_weights=False).canonical()
    assert plain.canonical() != MssnSpec().canonical()


def test_without_skip_and_attention_only_the_number_of_units_counts() -> None:
    two = MssnSpec(n_blocks=2, units_per_block=6, share_source=False)
    three = MssnSpec(n_blocks=3, units_per_block=4, share_source=False)
    assert two.canonical() == three.canonical()
    guided = {"attention": "global"}
    assert two.model_copy(update=guided).canonical() != three.model_copy(update=guided).canonical()
    torch.manual_seed(0)
    low_res = torch.rand(1, 3, 6, 6)
    networks = [FAMILY.network(spec, 2) for spec in (two, three, two.canonical())]
    for network in networks[1:]:
        network.load_state_dict(networks[0].state_dict())
        assert torch.equal(network(low_res), networks[0](low_res))


@pytest.mark.parametrize(
    ("unit", "knob"),
    [
        ("mobilenet_v1", {"expand_ratio": 2}),
        ("shufflenet_v2", {"expand_ratio": 2}),
        ("mobilenet_v1", {"residual_scaling": "channelwise"}),
        ("mobilenet_v2", {"shuffle_groups": 2}),
    ],
)
def test_knobs_that_a_unit_does_not_read_make_no_other_architecture(
    unit: str, knob: dict[str, object]
) -> None:
    spec = MssnSpec.model_validate({"unit": unit})
    assert spec.model_copy(update=knob).canonical() == spec.canonical()


def test_skip_leads_back_to_the_head_and_not_to_the_last_block() -> None:
    torch.manual_seed(0)
    network = FAMILY.network(MssnSpec(n_feats=4, n_blocks=2, units_per_block=1), 2)
    with torch.no_grad():
        for part in network.share_source:
            part.residual_weight.zero_()
    low_res = torch.rand(1, 3, 6, 6)
    before = network(low_res)
    with torch.no_grad():
        network.share_source[0].x_weight.fill_(7)
    # The second block's output is weighted by 0: only what skips it can be seen.
    assert torch.equal(network(low_res), before)
    with torch.no_grad():
        network.share_source[1].x_weight.fill_(7)
    assert not torch.equal(network(low_res), before)


def test_shuffled_units_need_channels_that_their_groups_divide() -> None:
    with pytest.raises(ValueError, match="shuffle_groups must divide"):
        MssnSpec(unit="shufflenet_v1", n_feats=20)
    with pytest.raises(ValueError, match="n_feats must be even"):
        MssnSpec(unit="shufflenet_v2", n_feats=33)


def test_half_of_the_channels_pass_a_split_unit_unchanged() -> None:
    network = FAMILY.network(MssnSpec(unit="shufflenet_v2", n_feats=4), 2)
    x = torch.rand(1, 4, 5, 5)
    assert torch.equal(network.units[0](x)[:, ::2], x[:, :2])
