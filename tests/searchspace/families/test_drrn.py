"""What is special to DRRN: a shared unit, added to the first features every time (docs/facts.md 6)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.drrn import FAMILY, DrrnSpec
from searchspace.family import Convention


def count(spec: DrrnSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


def test_counts_of_b1u25() -> None:
    assert count(DrrnSpec(), 4, "deployed") == 297_216
    assert round(count(DrrnSpec(), 4, "multadds") / 1e9, 1) == 6_796.9


@pytest.mark.parametrize("recursions", [1, 9])
def test_recursions_share_their_weights(recursions: int) -> None:
    assert count(DrrnSpec(recursions=recursions), 4, "deployed") == 297_216


def test_channelwise_scaling_is_shared_and_gates_are_not() -> None:
    plain = count(DrrnSpec(n_feats=16, recursions=3), 4, "trained")
    scaled = DrrnSpec(n_feats=16, recursions=3, residual_scaling="channelwise")
    gated = DrrnSpec(n_feats=16, recursions=3, attention="channel")
    assert count(scaled, 4, "trained") - plain == 16
    assert count(gated, 4, "trained") - plain == 3 * (16 + 1 + 16 + 16)


def test_every_recursion_is_added_to_the_first_features() -> None:
    network = FAMILY.network(DrrnSpec(n_feats=4, recursions=3, colours=3), 2)
    torch.nn.init.zeros_(network.unit[3].weight)
    low_res = torch.rand(1, 3, 4, 4)
    once = FAMILY.network(DrrnSpec(n_feats=4, recursions=1, colours=3), 2)
    once.load_state_dict(network.state_dict())
    assert torch.equal(network(low_res), once(low_res))
