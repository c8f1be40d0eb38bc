"""Upsamplers: features (N, C, H, W) -> image (N, 3, sH, sW), chosen by the knob `upsampler`."""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.layers import conv, weight_norm
from searchspace.spec import Search, one_of


class StepwiseShuffle(nn.Sequential):
    """Pixel shuffle by 2 at a time (by 3 at scale 3), then a 3x3 convolution to colours.

    Source: EDSR; s-LWSR uses it without activations (FACTS 1.1).
    """

    def __init__(self, channels: int, scale: int, out_channels: int = 3) -> None:
        layers: list[nn.Module] = []
        for factor in steps(scale):
            layers += [conv(3, channels, factor**2 * channels), nn.PixelShuffle(factor)]
        super().__init__(*layers, conv(3, channels, out_channels))


class DirectShuffle(nn.Sequential):
    """One 3x3 convolution to 3 s^2 channels and one pixel shuffle (ESPCN, MSSN, IMDN)."""

    def __init__(self, channels: int, scale: int, out_channels: int = 3) -> None:
        super().__init__(conv(3, channels, scale**2 * out_channels), nn.PixelShuffle(scale))


def transposed(channels: int, scale: int, out_channels: int = 3) -> nn.ConvTranspose2d:
    """A transposed 9x9 convolution of stride s (FSRCNN)."""
    return nn.ConvTranspose2d(channels, out_channels, 9, scale, 4, output_padding=scale - 1)


class NearestConv(nn.Sequential):
    """Nearest-neighbour enlargement, then two 3x3 convolutions with a ReLU between."""

    def __init__(self, channels: int, scale: int, out_channels: int = 3) -> None:
        super().__init__(
            nn.Upsample(scale_factor=scale, mode="nearest"),
            conv(3, channels, channels),
            nn.ReLU(),
            conv(3, channels, out_channels),
        )


class MultiKernelShuffle(nn.Module):
    """Convolutions of several kernels to 3 s^2 channels, each times a learnt scalar, and one shuffle.

    The scalars start at one over their number. Source: AWMS of AWSRN (FACTS 6).
    """

    def __init__(
        self,
        channels: int,
        scale: int,
        out_channels: int = 3,
        kernels: tuple[int, ...] = (3, 5, 7, 9),
    ) -> None:
        super().__init__()
        widened = scale**2 * out_channels
        self.convs = nn.ModuleList(conv(kernel, channels, widened) for kernel in kernels)
        start = torch.full((1,), 1 / len(kernels))
        self.weights = nn.ParameterList(nn.Parameter(start.clone()) for _ in kernels)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 3, sH, sW)."""
        summed = self.weights[0] * self.convs[0](x)
        for weight, branch in zip(self.weights[1:], self.convs[1:], strict=True):
            summed = summed + weight * branch(x)
        return self.shuffle(summed)


class ScaleWise(nn.Module):
    """Images made at s + 1 times, s times and half the size, each resized to s times, and summed.

    A branch is a convolution, a ReLU and a pixel shuffle or unshuffle that keep the channels, a bicubic
    resize and a convolution to colours. Every convolution is weight-normalised. Source: SUM of SwiseNet
    (FACTS 5.1); its code cannot be run as it was released and is read as FACTS 5.1 does. Departures:
    a width that `groups` does not divide takes their greatest common divisor, and an odd input is padded
    for the branch of half size, whose result is then cropped.
    """

    def __init__(
        self, channels: int, scale: int, out_channels: int = 3, *, groups: int = 4
    ) -> None:
        super().__init__()
        self.scale = scale
        groups = math.gcd(groups, channels)
        quarter = math.ceil(channels / 4)
        self.enlarging = nn.ModuleList(
            nn.Sequential(
                weight_norm(conv(3, channels, factor**2 * channels, groups=groups)),
                nn.ReLU(),
                nn.PixelShuffle(factor),
            )
            for factor in (scale + 1, scale)
        )
        self.halving = nn.Sequential(
            weight_norm(conv(3, channels, quarter)), nn.ReLU(), nn.PixelUnshuffle(2)
        )
        self.exits = nn.ModuleList(
            weight_norm(conv(3, width, out_channels)) for width in (channels, channels, 4 * quarter)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 3, sH, sW)."""
        rows, columns = x.shape[2] * self.scale, x.shape[3] * self.scale
        larger, equal = (branch(x) for branch in self.enlarging)
        odd_rows, odd_columns = x.shape[2] % 2, x.shape[3] % 2
        half = self.halving(F.pad(x, (0, odd_columns, 0, odd_rows), mode="replicate"))
        padded = (rows + odd_rows * self.scale, columns + odd_columns * self.scale)
        resized = (
            _resize(larger, (rows, columns)),
            equal,
            _resize(half, padded)[..., :rows, :columns],
        )
        images = [leave(branch) for leave, branch in zip(self.exits, resized, strict=True)]
        return images[0] + images[1] + images[2]


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bicubic", align_corners=False)


def steps(scale: int) -> tuple[int, ...]:
    """The factors of a stepwise upsampler: 2s for powers of two, otherwise the scale itself."""
    if scale & (scale - 1) == 0:
        return (2,) * (scale.bit_length() - 1)
    return (scale,)


UPSAMPLERS: dict[str, Callable[[int, int], nn.Module]] = {
    "stepwise": StepwiseShuffle,
    "direct": DirectShuffle,
    "transposed": transposed,
    "nearest": NearestConv,
    "multi_kernel": MultiKernelShuffle,
    "scale_wise": ScaleWise,
}
"""Name of the knob's value -> builder from (channels, scale)."""
UpsamplerName = Annotated[str, one_of(UPSAMPLERS), Search(tuple(UPSAMPLERS))]
"""The type of the knob `upsampler`: one of the names, all of which a sweep tries under `auto`."""
