"""What is special to DRCN: one convolution run many times (docs/facts.md 6)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.bicubic import enlarge_as_matlab
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.drcn import FAMILY, DrcnSpec
from searchspace.family import Convention


def count(spec: DrcnSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


def test_counts_with_and_without_biases_and_weights_of_the_sum() -> None:
    assert count(DrcnSpec(), 4, "deployed") == 1_775_121
    assert count(DrcnSpec(), 4, "weights") == 1_774_080
    assert round(count(DrcnSpec(), 4, "multadds") / 1e9, 1) == 17_974.3


@pytest.mark.parametrize("recursions", [1, 9])
def test_recursions_cost_only_a_scalar_each(recursions: int) -> None:
    spec = DrcnSpec(recursions=recursions)
    assert count(spec, 4, "deployed") == 1_775_121 - 16 + recursions


def test_output_starts_near_the_enlarged_input() -> None:
    network = FAMILY.network(DrcnSpec(n_feats=4, recursions=4), 2)
    torch.nn.init.zeros_(network.network.reconstruction[2].weight)
    low_res = torch.rand(1, 3, 5, 5)
    wanted = enlarge_as_matlab(low_res, 2)
    assert torch.allclose(network(low_res), wanted, atol=1e-5)
