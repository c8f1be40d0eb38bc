"""Convolutions that train with several linear branches and are deployed as one 3x3 convolution.

All branches are linear, so their kernels add up to one 3x3 kernel. Training also computes this kernel and applies it to
the features: it takes fewer Mult-Adds and less memory than to apply each branch, and autograd passes the gradient on
to the branches. The result equals the sum of the branches up to rounding.
"""

from abc import abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.layers import Folding, conv

Kernel = tuple[Tensor, Tensor | None]
"""The weight (O, I, 3, 3) and the bias (O,), or None, of a 3x3 convolution from I to O channels."""


class Branched(Folding):
    """The base class: maps features (N, I, H, W) to (N, O, H, W) by a 3x3 convolution with a padding of zeros."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__()
        self.shape = (in_channels, out_channels, bias)

    @abstractmethod
    def kernel(self) -> Kernel:
        """Returns the kernel of the convolution that equals the sum of all branches."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.kernel()
        return F.conv2d(x, weight, bias, padding=1)

    def folded(self) -> nn.Conv2d:
        """Returns the convolution that is deployed. On the meta device, only its shape is right."""
        device = next(self.parameters()).device
        with torch.device(device):
            convolution = plain(*self.shape).train(self.training)
        if device.type != "meta":
            with torch.no_grad():
                weight, bias = self.kernel()
            convolution.weight = nn.Parameter(weight)
            convolution.bias = None if bias is None else nn.Parameter(bias)
        return convolution


def plain(in_channels: int, out_channels: int, bias: bool = True) -> nn.Conv2d:
    """Returns the 3x3 convolution without further branches."""
    return conv(3, in_channels, out_channels, bias=bias)


def at_centre(weight: Tensor) -> Tensor:
    """Returns the 3x3 kernel (O, I, 3, 3) that does what the 1x1 kernel `weight`, (O, I, 1, 1), does."""
    return F.pad(weight, (1, 1, 1, 1))


def summed(terms: Iterable[Tensor | None]) -> Tensor | None:
    """Returns the sum of all terms that are not None, or None if there are none."""
    total = None
    for term in terms:
        if term is not None:
            total = term if total is None else total + term
    return total
