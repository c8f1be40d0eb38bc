"""Upsamplers: features (N, C, H, W) -> image (N, 3, sH, sW), chosen by the knob `upsampler`."""

from collections.abc import Callable

from torch import nn

from searchspace.layers import conv


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
}
"""Name of the knob's value -> builder from (channels, scale)."""
