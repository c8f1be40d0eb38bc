import pytest
import torch

from searchspace.architecture import architecture
from searchspace.bicubic import enlarge_as_matlab
from searchspace.cost import costs, subject
from searchspace.cost.counting.conventions import CONVENTIONS
from searchspace.families.memnet import Memnet, MemnetSpec

ORIGINAL = {"colours": 1, "interpolated": True}


@pytest.mark.parametrize(
    ("values", "params"),
    [
        ({}, 714_048),
        ({"attention": "global"}, 721_408),
        ({"residual_scaling": "channelwise"}, 714_432),
        (ORIGINAL | {"norm": "none"}, 676_992),
    ],
)
def test_parameters_are_those_in_the_facts(values: dict[str, object], params: int) -> None:
    assert costs(architecture("memnet", values), 4)["params"] == params


def test_separate_recursions_have_about_the_parameters_of_the_released_network() -> None:
    # docs/facts.md 3.4: "about 2.9 M".
    params = costs(architecture("memnet", {"recursive": False}), 4)["params"]
    assert round(params / 1e6, 1) == 2.9


def test_original_is_counted_without_norms_and_with_every_recursion() -> None:
    original = architecture("memnet", ORIGINAL)
    assert CONVENTIONS["weights"](subject(original, 4)) == 676_992
    assert round(costs(original, 4)["multadds"] / 1e9, 1) == 2662.3


def test_recursions_share_one_residual_block() -> None:
    spec = MemnetSpec(n_feats=8, n_blocks=1)
    assert len(Memnet(spec, 2).blocks[0].units) == 1
    assert len(Memnet(spec.model_copy(update={"recursive": False}), 2).blocks[0].units) == 6
    shared, separate = (
        costs(architecture("memnet", {"recursive": recursive}), 4)["multadds"]
        for recursive in (True, False)
    )
    assert shared == separate


def test_a_gate_sees_all_recursions_and_all_memories_before_it() -> None:
    network = Memnet(MemnetSpec(n_feats=8), 4)
    assert [block.gate[-1].in_channels // 8 for block in network.blocks] == [7, 8, 9, 10, 11, 12]


def test_a_silent_interpolated_network_enlarges_bicubically() -> None:
    network = Memnet(MemnetSpec(n_feats=8, interpolated=True), 2).eval()
    torch.nn.init.zeros_(network.tail.weight)
    x = torch.rand(1, 3, 5, 7)
    assert torch.equal(network(x), enlarge_as_matlab(x, 2))


def test_interpolated_input_makes_the_upsampler_irrelevant() -> None:
    one, other = (
        architecture("memnet", {"interpolated": True, "upsampler": name})
        for name in ("shuffle", "nearest")
    )
    assert one == other


def test_the_luma_keeps_the_familys_own_upsampler() -> None:
    with pytest.raises(ValueError, match="must be shuffle if colours is 1, got 'nearest'"):
        architecture("memnet", {"colours": 1, "upsampler": "nearest"})
