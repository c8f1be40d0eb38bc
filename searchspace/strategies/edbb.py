"""The re-parameterised convolution of EFDN: a 3x3 convolution, a 1x1 convolution, and three edge filters.

Source: icandle/EFDN, models/unitv2.py at 322cada4527dedd45370b358a2c75abcab6d2d6e, class EDBB. With its default
arguments, it has no identity branch and no branch of 1x1 and 3x3 convolutions. Each edge branch is a 1x1 convolution
and a fixed 3x3 filter for each channel (Sobel in x, Sobel in y, Laplace) with a learnt factor.

Departure from the code: the 1x1 convolutions before the filters have no bias. In the code, they have a bias, which also
fills the border that the filter reads. That bias has no effect, because the taps of every filter add up to 0.

The training network of EFDN is not public. This class follows the authors' class EDBB. The public checkpoints hold
deployed networks.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from searchspace.layers import conv
from searchspace.strategies.branched import Branched, Kernel, at_centre
from searchspace.strategies.reparam import EDGES, Edge


class EdgeConv(Branched):
    """A 3x3 convolution from I to O channels that trains with the branches of EDBB. It always has a bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.rep_conv = conv(3, in_channels, out_channels)
        self.conv1x1 = conv(1, in_channels, out_channels)
        self.edges = nn.ModuleList(
            Edge(filter_, conv(1, in_channels, out_channels, bias=False), bias=True)
            for filter_ in EDGES.values()
        )

    def _kernel(self) -> Kernel:
        assert self.rep_conv.bias is not None
        assert self.conv1x1.bias is not None
        weight = self.rep_conv.weight + at_centre(self.conv1x1.weight)
        bias = self.rep_conv.bias + self.conv1x1.bias
        for edge in self.edges:
            assert isinstance(edge, Edge)
            assert edge.bias is not None
            weight, bias = weight + edge.kernel(), bias + edge.bias
        return weight, bias


def unfolded(weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """Returns the tensors of an `EdgeConv` that is equivalent to the 3x3 convolution (`weight`, `bias`).

    The 1x1 convolution and the factors of the edge filters start at zero. The 1x1 convolutions before the edge filters
    start as the identity, so that the factors have a gradient.
    """
    outer, inner = weight.shape[:2]
    eye = torch.eye(outer, inner, dtype=weight.dtype)[..., None, None]
    tensors = {
        "rep_conv.weight": weight,
        "rep_conv.bias": bias,
        "conv1x1.weight": torch.zeros_like(eye),
        "conv1x1.bias": torch.zeros_like(bias),
    }
    for index in range(len(EDGES)):
        tensors |= {
            f"edges.{index}.scale": torch.zeros(outer, 1, 1, 1, dtype=weight.dtype),
            f"edges.{index}.bias": torch.zeros_like(bias),
            f"edges.{index}.point": eye.clone(),
        }
    return tensors


def branches(stored: Mapping[str, Tensor], deployed: str = "rep_conv") -> dict[str, Tensor]:
    """Returns the tensors of a file, where each folded convolution, named `deployed`, is replaced by its branches."""
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
