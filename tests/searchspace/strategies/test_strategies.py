import pytest
import torch
from torch import nn

from searchspace.layers import deployed
from searchspace.strategies.attention import (
    ATTENTIONS,
    ChannelGate,
    ContrastGate,
    EnhancedSpatialGate,
    SpatialGate,
)
from searchspace.strategies.scaling import RESIDUAL_SCALINGS


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# docs/facts.md 4: one block on 64 channels.
@pytest.mark.parametrize(
    ("gate", "count"),
    [
        (ChannelGate(64), 580),
        (ContrastGate(64), 580),
        (SpatialGate(64), 98),
        (EnhancedSpatialGate(64), 11_680),
        (EnhancedSpatialGate(64, reduction=16), 1_192),
    ],
)
def test_a_gate_has_the_parameters_of_its_paper(gate: nn.Module, count: int) -> None:
    assert num_parameters(gate) == count


# docs/facts.md 3.1: folding the batch norm takes 2 C parameters away.
@pytest.mark.parametrize(
    ("channels", "trained", "shipped"), [(64, 7_488, 7_360), (12, 780, 756), (56, 6_104, 5_992)]
)
def test_global_attention_is_counted_once_and_smaller_when_deployed(
    channels: int, trained: int, shipped: int
) -> None:
    attention = ATTENTIONS["global"](channels, 16)
    assert num_parameters(attention) == trained
    assert num_parameters(deployed(attention)) == shipped


def test_global_attention_is_one_map_for_all_blocks() -> None:
    attention = ATTENTIONS["global"](8, 2).eval()
    first, x = torch.rand(2, 1, 8, 5, 7)
    guide = attention.guide(first)
    assert guide.shape == first.shape
    assert 0 < guide.min() < guide.max() < 1
    torch.testing.assert_close(attention(x, 0, guide), attention(x, 1, guide))
    torch.testing.assert_close(attention(x, 0, guide), x * guide)


@pytest.mark.parametrize("name", [name for name in ATTENTIONS if name not in ("none", "global")])
def test_other_attentions_have_a_gate_for_every_block(name: str) -> None:
    attention, one = ATTENTIONS[name](16, 3).eval(), ATTENTIONS[name](16, 1)
    assert num_parameters(attention) == 3 * num_parameters(one)
    x = torch.rand(1, 16, 9, 9)
    assert not torch.equal(attention(x, 0, x), attention(x, 1, x))
    # A gate only ever weakens.
    assert (attention(x, 0, x).abs() <= x.abs()).all()


@pytest.mark.parametrize("name", ATTENTIONS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 14), (13, 17), (15, 16)])
def test_attention_keeps_small_and_odd_sizes(name: str, size: tuple[int, int]) -> None:
    attention = ATTENTIONS[name](16, 1).eval()
    x = torch.rand(1, 16, *size)
    output = attention(x, 0, attention.guide(x))
    assert output.shape == x.shape
    assert output.isfinite().all()


def test_enhanced_spatial_gate_follows_the_paper_where_its_windows_fit() -> None:
    gate = EnhancedSpatialGate(16)
    x = torch.rand(1, 16, 31, 47)
    squeezed = gate.squeeze(x)
    pooled = nn.MaxPool2d(7, 3)(gate.strided(squeezed))
    seen = nn.functional.interpolate(
        gate.body(pooled), x.shape[2:], mode="bilinear", align_corners=False
    )
    expected = torch.sigmoid(gate.excite(seen + gate.skip(squeezed)))
    torch.testing.assert_close(gate(x), expected)


def test_contrast_gate_sees_the_deviation_that_the_channel_gate_does_not() -> None:
    flat = torch.full((1, 4, 2, 2), 0.5)
    edged = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 1, 2, 2).expand(1, 4, 2, 2)
    assert torch.equal(ChannelGate(4).statistic(flat), ChannelGate(4).statistic(edged))
    torch.testing.assert_close(
        ContrastGate(4).statistic(edged) - ContrastGate(4).statistic(flat),
        torch.full((1, 4, 1, 1), 0.5),
        rtol=0,
        atol=1e-5,
    )


def test_contrast_gate_has_a_gradient_on_a_flat_image() -> None:
    # The square root of a deviation of zero has none.
    x = torch.ones(1, 4, 3, 3, requires_grad=True)
    ContrastGate(4)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_channelwise_scaling_starts_at_nine_tenths_with_a_weight_a_channel() -> None:
    scaling = RESIDUAL_SCALINGS["channelwise"](64)
    assert num_parameters(scaling) == 64
    x = torch.rand(1, 64, 3, 3)
    torch.testing.assert_close(scaling(x), 0.9 * x)
    assert RESIDUAL_SCALINGS["none"](64)(x) is x
