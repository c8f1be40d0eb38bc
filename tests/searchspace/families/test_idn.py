import pytest
import torch

from searchspace.architecture import architecture
from searchspace.bicubic import enlarge_as_matlab
from searchspace.cost import costs
from searchspace.families.idn import Block, Idn, IdnSpec


@pytest.mark.parametrize(("scale", "params"), [(2, 579_276), (3, 587_931), (4, 600_048)])
def test_published_network_has_the_parameters_in_the_facts(scale: int, params: int) -> None:
    assert costs(architecture("idn", {}), scale)["params"] == params


@pytest.mark.parametrize(
    ("values", "params"),
    [
        ({"attention": "global"}, 607_408),
        ({"residual_scaling": "channelwise"}, 600_304),
        ({"colours": 1, "upsampler": "deconv17"}, 552_769),
    ],
)
def test_strategies_and_the_original_are_counted_as_in_the_facts(
    values: dict[str, object], params: int
) -> None:
    assert costs(architecture("idn", values), 4)["params"] == params


def test_multadds_are_those_in_the_facts() -> None:
    assert round(costs(architecture("idn", {}), 4)["multadds"] / 1e9, 3) == 34.457


def test_a_silent_network_enlarges_bicubically() -> None:
    network = Idn(IdnSpec(n_feats=16), 3)
    torch.nn.init.zeros_(network.upsample[1][0].weight)
    torch.nn.init.zeros_(network.upsample[1][0].bias)
    x = torch.rand(1, 3, 5, 7)
    assert torch.equal(network(x), enlarge_as_matlab(x, 3))


def test_a_block_brings_its_input_and_what_was_set_aside_back() -> None:
    spec = IdnSpec(n_feats=16)
    block = Block(spec)
    # Without its second half a block compresses (input, the first 4 channels of the first half).
    torch.nn.init.zeros_(block.second[4].weight)
    torch.nn.init.zeros_(block.second[4].bias)
    x = torch.rand(1, 16, 4, 4)
    expected = block.compress(torch.cat([x, block.first(x)[:, :4]], 1))
    torch.testing.assert_close(block(x), expected)


def test_groups_that_do_not_divide_all_widths_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"groups must divide .* \(16, 14 and 12\)"):
        architecture("idn", {"n_feats": 16, "distillation_rate": 0.125})


def test_the_luma_keeps_the_familys_own_upsamplers() -> None:
    with pytest.raises(ValueError, match="subpixel, deconv17 if colours is 1, got 'stepwise'"):
        architecture("idn", {"colours": 1, "upsampler": "stepwise"})
