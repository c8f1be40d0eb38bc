"""What is special to SRCNN: published on Y, the input enlarged first (docs/facts.md 6)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.srcnn import FAMILY, SrcnnSpec
from searchspace.family import Convention


def count(spec: SrcnnSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


def test_counts_are_those_of_the_one_channel_network() -> None:
    assert count(SrcnnSpec(), 4, "deployed") == 57_281
    assert count(SrcnnSpec(), 4, "weights") == 57_184
    assert round(count(SrcnnSpec(), 4, "multadds") / 1e9, 3) == 52.701


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_cost_does_not_depend_on_the_scale(scale: int) -> None:
    assert count(SrcnnSpec(), scale, "multadds_exact_third") == 52_700_774_400


def test_one_channel_leaves_chroma_to_bicubic_enlargement() -> None:
    torch.manual_seed(0)
    low_res = torch.rand(1, 3, 9, 7)
    one = FAMILY.network(SrcnnSpec(), 2)(low_res)
    other = FAMILY.network(SrcnnSpec(), 2)(low_res)
    # Two differently initialised networks on Y move all three colours by the same amount.
    moved = (one - other).detach()
    assert moved.abs().max() > 1e-4
    assert torch.allclose(moved[:, 0], moved[:, 2], atol=1e-5)


def test_three_colours_are_mixed_by_the_network() -> None:
    network = FAMILY.network(SrcnnSpec(colours=3), 2)
    assert [p.shape[1] for p in network.parameters() if p.dim() == 4] == [3, 64, 32]


def test_even_kernels_are_rejected() -> None:
    with pytest.raises(ValueError, match="must be odd"):
        SrcnnSpec(head_kernel=4)
