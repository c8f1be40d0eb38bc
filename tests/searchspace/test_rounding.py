"""Networks that simulate the rounding of INT8."""

import pytest
import torch
from torch import Tensor

from searchspace.architecture import architecture
from searchspace.errors import UserError
from searchspace.layers import ColourShift, deployed
from searchspace.rounding import Grid, Root, Rounded, Rounding, WeightRounding, rounded

KNOBS = {"n_feats": 4, "n_blocks": 1}


def small(family: str = "edsr", knobs: dict[str, object] = KNOBS) -> Rounded:
    torch.manual_seed(0)
    return rounded(architecture(family, knobs).network(2))


def images(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 12, 10), generator=generator) / 255


def test_the_example_of_the_module() -> None:
    layer = Rounding().train()
    layer(torch.tensor([-1.0, 1.55]))
    layer.eval()
    assert layer.grid == Grid(scale=pytest.approx(0.01), zero_point=100)
    values = torch.tensor([0.2537, 0.0, 2.0], requires_grad=True)
    result = layer(values)
    result.sum().backward()
    torch.testing.assert_close(result.detach(), torch.tensor([0.25, 0.0, 1.55]))
    assert values.grad is not None
    assert values.grad.tolist() == [1, 1, 0]


def test_a_range_follows_the_tensor_only_in_training() -> None:
    layer = Rounding().train()
    layer(torch.tensor([0.0, 1.0]))
    before = layer.grid
    layer.eval()(torch.tensor([0.0, 9.0]))
    assert layer.grid == before
    ends = []
    for largest in (3.0, 1.0, 1.0):
        layer.train()(torch.tensor([0.0, largest]))
        ends.append(255 * layer.grid.scale)
    assert ends == pytest.approx([3, 2.98, 2.9602])
    loaded = Rounding().eval()
    loaded.load_state_dict(layer.state_dict())
    before = loaded.grid
    loaded(torch.tensor([0.0, 99.0]))
    assert loaded.grid == before == layer.grid
    # The mode decides, not what a file says.
    assert not [name for name in layer.state_dict() if "enabled" in name]


def test_weights_have_255_values_in_each_channel_and_keep_the_largest() -> None:
    weight = torch.randn(3, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    weight[1] = 0
    result = WeightRounding(0)(weight)
    largest = weight.abs().amax((1, 2, 3))
    torch.testing.assert_close(result.abs().amax((1, 2, 3)), largest)
    steps = result[0] / (largest[0] / 127)
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert not result[1].any()
    assert (result - weight).abs().max() <= largest.max() / 127 / 2 * 1.001


def test_the_output_has_the_levels_of_an_image() -> None:
    network = small()
    levels = network(3 * images() - 1).detach() * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert (float(levels.min()), float(levels.max())) == (0, 255)


def test_a_rounded_network_stays_near_its_network_and_its_copies_agree() -> None:
    torch.manual_seed(0)
    plain = architecture("edsr", KNOBS).network(2)
    network = rounded(plain)
    for _ in range(2):
        network(images())
    network.eval()
    with torch.no_grad():
        own, exact = network(images()), plain.eval()(images()).clamp(0, 1)
        folded = deployed(network)
        assert torch.equal(folded(images()), own)
        assert 0 < (own - exact).abs().max() < 0.1
        # Only the rounded weights are left.
        assert isinstance(folded, Rounded)
        bare = folded.without_rounding()
        assert not [part for part in bare.modules() if isinstance(part, Rounding)]
        assert (bare(images()) - exact).abs().max() < (own - exact).abs().max()


def test_each_convolution_knows_the_grids_of_its_input_and_output() -> None:
    network = small("abpn", {})
    network(images())
    network.eval()
    learnt = network.learnt()
    assert learnt[0].name == "net.head.0"
    assert all(each.source and each.result for each in learnt)
    # A ReLU follows the first convolution: its grid begins at 0, and is the input of the next.
    assert learnt[0].result == learnt[1].source
    assert learnt[0].result is not None
    assert learnt[0].result.zero_point == 0


def test_the_gradient_reaches_every_weight() -> None:
    network = small()
    (network(images()) - 0.5).abs().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_constant_channel_has_a_gradient() -> None:
    # The contrast of a channel whose values are equal is the root of 0.
    values = torch.tensor([0.0, 4.0], requires_grad=True)
    Root().train()(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0, 0.25]
    assert Root().eval()(values).tolist() == [0, 2]
    network = small("imdn", {"n_feats": 4, "n_blocks": 1})
    (network(torch.zeros(1, 3, 8, 8)) - 0.5).abs().mean().backward()
    assert network.is_finite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    next(network.parameters()).data.fill_(torch.nan)
    assert not network.is_finite()


def test_colour_conversion_and_interpolation_are_not_rounded() -> None:
    network = small("srcnn", {"n_feats": 4, "mapped_feats": 4})
    rounds = [part for part in network.modules() if isinstance(part, Rounding)]
    # The enlarged luma, three convolutions (two with a ReLU), and the colours put together.
    assert len(rounds) == 5


def test_what_cannot_be_quantised_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^drcn.*: cannot be quantised, because torch.fx") as found:
        small("drcn", {"n_feats": 4, "recursions": 1})
    assert "\n" not in str(found.value)
    network = architecture("edsr", KNOBS).network(2)
    shift = next(part for part in network.modules() if isinstance(part, ColourShift))
    shift.mixes = True
    with pytest.raises(UserError, match="colour shift of its weights mixes colours"):
        rounded(network)
