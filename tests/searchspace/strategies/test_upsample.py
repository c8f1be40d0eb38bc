"""Upsamplers, and the change of colours around networks that were published on Y."""

import pytest
import torch
from torch import nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.layers import deployed
from searchspace.strategies.colours import OnLuma, rgb_to_ycbcr, ycbcr_to_rgb
from searchspace.strategies.upsample import UPSAMPLERS, DirectShuffle, ScaleWise


@pytest.mark.parametrize("name", UPSAMPLERS)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("channels", [5, 8])
def test_output_is_scale_times_the_input_at_odd_sizes(name: str, scale: int, channels: int) -> None:
    upsampler = UPSAMPLERS[name](channels, scale)
    assert upsampler(torch.rand(2, channels, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_gradients_reach_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    upsampler = UPSAMPLERS[name](8, 3)
    upsampler(torch.rand(1, 8, 5, 5)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in upsampler.parameters())


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_weight_norm_is_folded_without_changing_the_output(name: str) -> None:
    torch.manual_seed(0)
    upsampler = UPSAMPLERS[name](8, 2)
    x = torch.rand(1, 8, 5, 6)
    assert torch.allclose(deployed(upsampler)(x), upsampler(x), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_scale_wise_has_the_parameters_of_the_repository(scale: int) -> None:
    branches = sum((9_216 + 128) * factor**2 for factor in (scale, scale + 1))
    parameters = sum(p.numel() for p in ScaleWise(64, scale).parameters())
    assert parameters == branches + 9_248 + 3 * 1_734  # docs/facts.md 5.2


def test_scale_wise_groups_fall_back_to_a_common_divisor() -> None:
    assert ScaleWise(6, 2).enlarging[0][0].groups == 2
    assert ScaleWise(7, 2).enlarging[0][0].groups == 1
    assert ScaleWise(8, 2, groups=2).enlarging[0][0].groups == 2


def test_odd_input_does_not_shift_the_half_size_branch() -> None:
    torch.manual_seed(0)
    upsampler = ScaleWise(4, 2)
    x = torch.rand(1, 4, 16, 16)
    whole, cropped = upsampler(x), upsampler(x[..., :15, :15])
    # Far from the cropped border both must see the same.
    assert torch.allclose(whole[..., :8, :8], cropped[..., :8, :8], atol=1e-5)


def test_several_kernels_with_equal_outputs_average_them() -> None:
    torch.manual_seed(0)
    several, one = UPSAMPLERS["multi_kernel"](4, 2), DirectShuffle(4, 2)
    with torch.no_grad():
        for branch in several.convs:
            centre = branch.kernel_size[0] // 2
            branch.weight.zero_()
            inside = slice(centre - 1, centre + 2)
            branch.weight[..., inside, inside] = one[0].weight
            branch.bias.copy_(one[0].bias)
    x = torch.rand(1, 4, 6, 6)
    assert torch.allclose(several(x), one(x), atol=1e-6)


def test_colours_survive_a_round_trip() -> None:
    rgb = torch.rand(2, 3, 8, 8)
    assert torch.allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb, atol=1e-5)


def test_luma_is_that_of_the_metric() -> None:
    rgb = torch.rand(1, 3, 4, 4)
    weights = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
    wanted = (16 + (rgb * weights).sum(1)) / 255  # docs/facts.md 9
    assert torch.allclose(rgb_to_ycbcr(rgb)[:, 0], wanted, atol=1e-6)


def test_grey_has_no_chroma() -> None:
    grey = torch.rand(1, 1, 4, 4).expand(1, 3, 4, 4)
    assert torch.allclose(rgb_to_ycbcr(grey)[:, 1:], torch.tensor(128 / 255), atol=1e-6)


def test_enlarging_luma_alone_equals_enlarging_all_colours() -> None:
    class Enlarge(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return enlarge_as_matlab(x, 3)

    rgb = torch.rand(1, 3, 5, 7)
    assert torch.allclose(OnLuma(Enlarge(), 3)(rgb), enlarge_as_matlab(rgb, 3), atol=1e-5)
