"""The re-parameterised convolution of EFDN: a 3x3 convolution, a 1x1 convolution, and three edge filters.

Source: icandle/EFDN, models/unitv2.py at 322cada4527dedd45370b358a2c75abcab6d2d6e, class EDBB, with its default
arguments: without a branch that returns the input, and without a branch of 1x1 and 3x3 convolutions. Each edge branch
is a 1x1 convolution and a fixed 3x3 filter for each channel (Sobel in x, Sobel in y, Laplace) with a learnt factor.

Departure from the code: the 1x1 convolutions before the filters have no bias. In the code, they have one that also fills
the border that the filter reads. It has no effect, because the taps of every filter add up to 0.

The training network of EFDN is not public. This class follows the block, and the checkpoints are deployed ones.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from searchspace.layers import conv
from searchspace.strategies.branched import Branched, Kernel, at_centre

FILTERS = {
    "conv1x1_sbx": ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),
    "conv1x1_sby": ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),
    "conv1x1_lpl": ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),
}
"""The fixed filter of each edge branch, by the name of the branch in the authors' code."""

START = 1e-3
"""Standard deviation of the learnt factors and biases of the edge branches at the start."""


class EdgeBranch(nn.Module):
    """A 1x1 convolution from I to O channels and a fixed 3x3 filter with one learnt factor for each channel."""

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, name: str) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(out_channels, 1, 1, 1))
        self.bias = nn.Parameter(torch.empty(out_channels))
        nn.init.normal_(self.scale, std=START)
        nn.init.normal_(self.bias, std=START)
        self.pointwise = conv(1, in_channels, out_channels, bias=False)
        mask = torch.tensor(FILTERS[name]).view(1, 1, 3, 3)
        self.register_buffer("mask", mask, persistent=False)

    def kernel(self) -> tuple[Tensor, Tensor]:
        """Returns the weight (O, I, 3, 3) and the bias (O,) of the 3x3 convolution that equals the branch."""
        return self.scale * self.mask * self.pointwise.weight, self.bias


class EdgeConv(Branched):
    """A 3x3 convolution from I to O channels that trains with the branches of EDBB. It always has a bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.rep_conv = conv(3, in_channels, out_channels)
        self.conv1x1 = conv(1, in_channels, out_channels)
        self.edges = nn.ModuleList(EdgeBranch(in_channels, out_channels, name) for name in FILTERS)

    def kernel(self) -> Kernel:
        assert self.rep_conv.bias is not None
        assert self.conv1x1.bias is not None
        weight = self.rep_conv.weight + at_centre(self.conv1x1.weight)
        bias = self.rep_conv.bias + self.conv1x1.bias
        for edge in self.edges:
            assert isinstance(edge, EdgeBranch)
            more, constant = edge.kernel()
            weight, bias = weight + more, bias + constant
        return weight, bias


def unfolded(weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """Returns tensors of an `EdgeConv` that computes what the 3x3 convolution (`weight`, `bias`) computes.

    The branches beside the 3x3 convolution start at zero: the 1x1 convolution, and the factors of the edge filters.
    The 1x1 convolutions before the edge filters pass the channels through, so that the factors have a gradient.
    """
    outer, inner = weight.shape[:2]
    eye = torch.eye(outer, inner, dtype=weight.dtype)[..., None, None]
    tensors = {
        "rep_conv.weight": weight,
        "rep_conv.bias": bias,
        "conv1x1.weight": torch.zeros_like(eye),
        "conv1x1.bias": torch.zeros_like(bias),
    }
    for index in range(len(FILTERS)):
        tensors |= {
            f"edges.{index}.scale": torch.zeros(outer, 1, 1, 1, dtype=weight.dtype),
            f"edges.{index}.bias": torch.zeros_like(bias),
            f"edges.{index}.pointwise.weight": eye.clone(),
        }
    return tensors


def branches(stored: Mapping[str, Tensor], deployed: str = "rep_conv") -> dict[str, Tensor]:
    """Returns the tensors of a file with every folded convolution, named `deployed`, replaced by its branches."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        layer, _, kind = name.rpartition(".")
        if not layer.endswith(deployed):
            tensors[name] = tensor
        elif kind == "weight" and f"{layer}.bias" in stored:
            start = layer.removesuffix(deployed)
            made = unfolded(tensor, stored[f"{layer}.bias"])
            tensors |= {f"{start}{part}": value for part, value in made.items()}
    return tensors
