"""What is special to WDSR: kinds a and b, and the share-source skip (docs/facts.md 2.6, 6)."""

import pytest
import torch

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.wdsr import FAMILY, WdsrSpec
from searchspace.family import Convention


def count(spec: WdsrSpec, scale: int, convention: Convention) -> int:
    return CONVENTIONS[convention](subject(Architecture(family=FAMILY, spec=spec), scale))


@pytest.mark.parametrize(
    ("spec", "params"),
    [(WdsrSpec(), 1_200_624), (WdsrSpec(kind="b", expand_ratio=6), 312_704)],
)
def test_share_source_adds_eight_parameters(spec: WdsrSpec, params: int) -> None:
    shared = spec.model_copy(update={"share_source_groups": 4})
    assert count(spec, 4, "deployed") == params
    assert count(shared, 4, "deployed") == params + 8
    assert count(shared, 4, "multadds") == count(spec, 4, "multadds")


def test_groups_of_share_source_are_of_equal_length_or_one_longer() -> None:
    network = FAMILY.network(WdsrSpec(n_feats=4, n_blocks=7, share_source_groups=3), 2)
    assert list(network.group_ends) == [1, 4, 6]


def test_more_groups_than_blocks_are_rejected() -> None:
    with pytest.raises(ValueError, match="share_source_groups must be at most n_blocks"):
        WdsrSpec(n_blocks=2, share_source_groups=4)


def test_state_is_in_the_order_of_the_public_code() -> None:
    network = FAMILY.network(WdsrSpec(n_feats=8, n_blocks=1), 2)
    shapes = [tuple(value.shape) for value in network.state_dict().values()]

    def normalised(kernel: int, inner: int, outer: int) -> list[tuple[int, ...]]:
        return [(outer,), (outer, 1, 1, 1), (outer, inner, kernel, kernel)]

    head, tail, skip = normalised(3, 3, 8), normalised(3, 8, 12), normalised(5, 3, 12)
    assert shapes == head + normalised(3, 8, 32) + normalised(3, 32, 8) + tail + skip


def test_colours_are_centred_and_restored() -> None:
    network = FAMILY.network(WdsrSpec(n_feats=4, n_blocks=1, weight_norm=False), 2)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    mean = network(torch.rand(1, 3, 4, 4))[0, :, 0, 0]
    assert torch.allclose(mean, torch.tensor([0.4488, 0.4371, 0.4040]))
