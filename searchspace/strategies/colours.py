"""Colours at the input and output of a network: RGB without the mean colour, or only the luma.

Shapes: N images, H rows and W columns of the low-resolution input, scale s.
"""

import torch
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.layers import RGB_MEAN_DIV2K

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weights of the colours in the luma of BT.601. docs/facts.md 9 prints these weights multiplied by 219."""


class Centred(nn.Module):
    """Subtracts the mean colour of DIV2K from colours in [0, 1] and doubles the result, as WDSR and AWSRN do.

    The result lies roughly in [-1, 1]. The authors compute (255 x - 255 mean) / 127.5, which is the same number
    (docs/facts.md 2.7, 6). The mean is not in the state dict, because the authors' checkpoints lack it.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "mean", torch.tensor(RGB_MEAN_DIV2K).view(1, 3, 1, 1), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Centres colours (N, 3, H, W) in [0, 1] around 0."""
        return (x - self.mean) * 2

    def restore(self, x: Tensor) -> Tensor:
        """Turns centred colours back into colours in [0, 1], the inverse of `forward`."""
        return x / 2 + self.mean


class OnLuma(nn.Module):
    """A network from RGB to RGB that applies `network` to Y and MATLAB's bicubic upscaling to Cb and Cr.

    Neither the upscaling nor the colour conversion has a convolution. A network published on the Y channel therefore
    keeps its published counts.
    """

    def __init__(self, network: nn.Module, scale: int) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, low_res: Tensor) -> Tensor:
        """Upscales (N, 3, H, W) in [0, 1] to (N, 3, sH, sW). The inner network gets Y in [16, 235]/255."""
        luma, chroma = rgb_to_ycbcr(low_res).split([1, 2], 1)
        return ycbcr_to_rgb(
            torch.cat([self.network(luma), enlarge_as_matlab(chroma, self.scale)], 1)
        )


def on_colours(network: nn.Module, colours: int, scale: int) -> nn.Module:
    """Returns a network from RGB to RGB: `network` itself if `colours` is 3, `OnLuma` around `network` if it is 1."""
    return network if colours == 3 else OnLuma(network, scale)


def take_colours_up_to_1(built: nn.Module) -> None:
    """Sets the factor `largest` of each part to 1, so that the network works on colours up to 1 like some public forks."""
    for part in built.modules():
        if hasattr(part, "largest"):
            part.largest = 1.0  # type: ignore[assignment]


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Converts (N, 3, H, W) in [0, 1] to Y in [16, 235]/255 and Cb and Cr in [16, 240]/255 (BT.601)."""
    red, green, blue = rgb.split(1, 1)
    luma = RED * red + GREEN * green + BLUE * blue
    chroma = [112 * (blue - luma) / (1 - BLUE) + 128, 112 * (red - luma) / (1 - RED) + 128]
    return torch.cat([219 * luma + 16, *chroma], 1) / 255


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """Converts Y, Cb and Cr, (N, 3, H, W), to RGB, the inverse of `rgb_to_ycbcr`."""
    y, cb, cr = (ycbcr * 255).split(1, 1)
    luma = (y - 16) / 219
    red = luma + (cr - 128) * (1 - RED) / 112
    blue = luma + (cb - 128) * (1 - BLUE) / 112
    return torch.cat([red, (luma - RED * red - BLUE * blue) / GREEN, blue], 1)
