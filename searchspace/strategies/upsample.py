"""Upsamplers, chosen by the knob `upsampler`. An upsampler turns features (N, C, H, W) into an image (N, 3, sH, sW)."""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.layers import conv, weight_norm
from searchspace.spec import Search, one_of


class StepwiseShuffle(nn.Sequential):
    """Pixel shuffles by 2 (by 3 at scale 3), each after a 3x3 convolution. A last 3x3 convolution gives the colours.

    Source: EDSR. s-LWSR uses the same upsampler (docs/facts.md 1.1). It has no activations.
    """

    def __init__(self, channels: int, scale: int, out_channels: int = 3) -> None:
        layers: list[nn.Module] = []
        for factor in steps(scale):
            layers += [conv(3, channels, factor**2 * channels), nn.PixelShuffle(factor)]
        super().__init__(*layers, conv(3, channels, out_channels))


class DirectShuffle(nn.Sequential):
    """One 3x3 convolution to 3 s^2 channels, then one pixel shuffle (ESPCN, MSSN, IMDN)."""

    def __init__(self, channels: int, scale: int, out_channels: int = 3) -> None:
        super().__init__(conv(3, channels, scale**2 * out_channels), nn.PixelShuffle(scale))


def transposed(channels: int, scale: int, out_channels: int = 3) -> nn.ConvTranspose2d:
    """Returns a transposed 9x9 convolution of stride s, which upscales (N, C, H, W) to (N, out, sH, sW) (FSRCNN)."""
    return nn.ConvTranspose2d(channels, out_channels, 9, scale, 4, output_padding=scale - 1)


class NearestConv(nn.Sequential):
    """Nearest-neighbour upscaling, then two 3x3 convolutions with a ReLU between them."""

    def __init__(self, channels: int, scale: int, out_channels: int = 3) -> None:
        super().__init__(
            nn.Upsample(scale_factor=scale, mode="nearest"),
            conv(3, channels, channels),
            nn.ReLU(),
            conv(3, channels, out_channels),
        )


class MultiKernelShuffle(nn.Module):
    """Convolutions of several kernel sizes to 3 s^2 channels, a weighted sum of their outputs, and one pixel shuffle.

    The weights of the sum are learnt scalars that start at 1 / (number of kernels). Source: AWSRN, which calls this
    upsampler AWMS (docs/facts.md 6).
    """

    paths = ("convs.*",)
    """Patterns of the modules whose outputs are added (`searchspace.stages`)."""

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
        """Turns features (N, C, H, W) into an image (N, 3, sH, sW)."""
        summed = self.weights[0] * self.convs[0](x)
        for weight, branch in zip(self.weights[1:], self.convs[1:], strict=True):
            summed = summed + weight * branch(x)
        return self.shuffle(summed)


class ScaleWise(nn.Module):
    """The sum of three images, each from its own branch. The branches work at s + 1 times, s times and half the input
    size.

    A branch consists of a convolution, a ReLU, a pixel shuffle or unshuffle, a bicubic resize to s times the input
    size, and a convolution to colours. The branch at s times the input size needs no resize. Every convolution is
    weight-normalised.

    Source: SwiseNet, which calls this upsampler SUM. The released code does not run; docs/facts.md 5.1 explains how
    srsweep reads it. This class departs from the code in two ways. If `channels` is not a multiple of `groups`, the
    number of groups is the greatest common divisor of the two. If the input has an odd number of rows or columns, the
    input of the half-size branch is padded, and the image of this branch is cropped.
    """

    paths = ("exits.*",)
    """Patterns of the modules whose outputs are added (`searchspace.stages`)."""

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
        """Turns features (N, C, H, W) into an image (N, 3, sH, sW)."""
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


def anchor(image: Tensor, scale: int) -> Tensor:
    """Returns each colour of `image` (N, C, H, W) repeated s^2 times, (N, C s^2, H, W).

    A pixel shuffle by s turns the result into the image upscaled by nearest neighbour. Source: ABPN.
    """
    return torch.stack([image] * scale**2, 2).flatten(1, 2)


def steps(scale: int) -> tuple[int, ...]:
    """Returns the factors of a stepwise upsampler: all 2 if the scale is a power of two, otherwise the scale alone."""
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
"""The builder for each value of the knob `upsampler`. A builder takes (channels, scale)."""
UpsamplerName = Annotated[str, one_of(UPSAMPLERS), Search(tuple(UPSAMPLERS))]
"""The type of the knob `upsampler`. If a sweep file says `auto`, the sweep tries all names."""
