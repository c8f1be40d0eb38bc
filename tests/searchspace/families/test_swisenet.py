"""What is special to SwiseNet: counts of its code, the scale-wise upsampler (docs/facts.md 5)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.swisenet import DIRECT, FAMILY, SwisenetSpec
from searchspace.family import Convention


def count(spec: SwisenetSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


@pytest.mark.parametrize(
    ("scale", "with_g", "without_g", "multadds"),
    [
        (2, 926_589, 924_836, 178.41),
        (3, 1_038_717, 1_036_196, 93.13),
        (4, 1_188_221, 1_184_676, 63.05),
    ],
)
def test_counts_of_the_repository(scale: int, with_g: int, without_g: int, multadds: float) -> None:
    assert count(SwisenetSpec(), scale, "trained") == with_g
    assert count(SwisenetSpec(), scale, "deployed") == without_g
    assert round(count(SwisenetSpec(), scale, "multadds") / 1e9, 2) == multadds


@pytest.mark.parametrize(
    ("scale", "params", "multadds"),
    [(2, 797_603, 145.49), (3, 806_273, 65.45), (4, 818_411, 37.57)],
)
def test_counts_with_a_direct_tail(scale: int, params: int, multadds: float) -> None:
    assert count(DIRECT, scale, "trained") == params
    assert round(count(DIRECT, scale, "multadds") / 1e9, 2) == multadds


@pytest.mark.parametrize(("scale", "params"), [(2, 1_286_013), (3, 1_729_917), (4, 2_321_789)])
def test_counts_with_one_group_in_the_upsampler(scale: int, params: int) -> None:
    assert count(SwisenetSpec(upsampler_groups=1), scale, "trained") == params


def test_counts_with_two_groups_in_the_upsampler() -> None:
    spec = SwisenetSpec(upsampler_groups=2)
    assert count(spec, 2, "trained") == 1_046_397
    assert round(count(spec, 2, "multadds") / 1e9, 2) == 206.01


def test_gated_block_has_the_parameters_of_the_repository() -> None:
    block = FAMILY.network(SwisenetSpec(), 2).groups[0].blocks[0]
    assert sum(parameter.numel() for parameter in block.parameters()) == 69_249


def test_a_new_gated_block_passes_its_input_unchanged() -> None:
    block = FAMILY.network(SwisenetSpec(n_feats=4), 2).groups[0].blocks[0]
    x = torch.rand(1, 4, 5, 5)
    assert torch.equal(block(x), x)


def test_gradients_reach_a_gated_block_once_its_branches_are_open() -> None:
    torch.manual_seed(0)
    network = FAMILY.network(SwisenetSpec(n_feats=8), 2)
    for name, parameter in network.named_parameters():
        if name.endswith(("beta", "gamma")):
            torch.nn.init.ones_(parameter)
    network(torch.rand(1, 3, 6, 6)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_groups_of_the_upsampler_matter_only_to_scale_wise() -> None:
    one = SwisenetSpec(upsampler="direct", upsampler_groups=1)
    assert one.canonical() == DIRECT.canonical()
    with pytest.raises(ValueError, match="upsampler_groups must divide n_feats"):
        SwisenetSpec(upsampler_groups=3)


def test_state_of_a_block_is_in_the_order_of_the_public_code() -> None:
    network = FAMILY.network(SwisenetSpec(n_feats=4), 2)
    names = [name.split(".")[0] for name in network.groups[0].blocks[0].state_dict()]
    assert list(dict.fromkeys(names)) == [
        "beta", "gamma", "expand", "depthwise", "project", "excite", "slope", "expand_2",
        "project_2", "norm", "norm_2",
    ]  # fmt: skip
    parts = list(dict.fromkeys(name.split(".")[0] for name in network.state_dict()))
    assert parts[-4:] == ["reduction", "global_skip", "tail", "sum"]
