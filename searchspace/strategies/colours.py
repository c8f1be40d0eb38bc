"""What a network sees of an image: all colours centred, or the luma alone.

Letters: N images, H and W rows and columns of the low-resolution input, s the scale.
"""

import torch
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.layers import RGB_MEAN_DIV2K

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Shares of the colours in the luma of BT.601; 219 of them are the weights of FACTS 9."""


class Centred(nn.Module):
    """Colours in [0, 1] as WDSR and AWSRN feed them: mean of DIV2K removed, about [-1, 1].

    Upstream writes (255 x - 255 mean) / 127.5, which is the same number (FACTS 2.7, 6). The mean is
    no part of the state, as it is none of the upstream checkpoints.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "mean", torch.tensor(RGB_MEAN_DIV2K).view(1, 3, 1, 1), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> centred."""
        return (x - self.mean) * 2

    def restore(self, x: Tensor) -> Tensor:
        """The inverse."""
        return x / 2 + self.mean


class OnLuma(nn.Module):
    """RGB in and out around a network of one channel; Cb and Cr are enlarged bicubically, as by MATLAB.

    Networks published on the Y channel keep their published counts in this way: interpolation and the
    change of colours have no convolutions.
    """

    def __init__(self, network: nn.Module, scale: int) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, low_res: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 3, sH, sW); the network sees Y from 16/255 to 235/255."""
        luma, chroma = rgb_to_ycbcr(low_res).split([1, 2], 1)
        return ycbcr_to_rgb(
            torch.cat([self.network(luma), enlarge_as_matlab(chroma, self.scale)], 1)
        )


def on_colours(network: nn.Module, colours: int, scale: int) -> nn.Module:
    """`network` from RGB to RGB: itself where it has 3 colours, inside `OnLuma` where it has 1."""
    return network if colours == 3 else OnLuma(network, scale)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> Y in [16, 235]/255, Cb and Cr in [16, 240]/255 (BT.601)."""
    red, green, blue = rgb.split(1, 1)
    luma = RED * red + GREEN * green + BLUE * blue
    chroma = [112 * (blue - luma) / (1 - BLUE) + 128, 112 * (red - luma) / (1 - RED) + 128]
    return torch.cat([219 * luma + 16, *chroma], 1) / 255


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`."""
    y, cb, cr = (ycbcr * 255).split(1, 1)
    luma = (y - 16) / 219
    red = luma + (cr - 128) * (1 - RED) / 112
    blue = luma + (cb - 128) * (1 - BLUE) / 112
    return torch.cat([red, (luma - RED * red - BLUE * blue) / GREEN, blue], 1)
