"""Convolutions that train with several linear branches and are deployed as one 3x3 convolution.

All branches are linear, so their kernels add up to one 3x3 kernel. Training computes this kernel, too, and applies only
this kernel to the features. This takes fewer Mult-Adds and less memory than applying each branch. Autograd passes the
gradient on to the branches. The result equals the sum of the branches up to rounding.
"""

import copy
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.layers import Folding, conv

Kernel = tuple[Tensor, Tensor | None]
"""The weight (O, I / groups, 3, 3) and the bias (O,), or None, of a 3x3 convolution from I to O channels."""


class Branched(Folding):
    """A 3x3 convolution with zero padding whose kernel is computed from branches. Maps (N, I, H, W) to (N, O, H, W)."""

    traced_as_one = True
    """Makes tracers treat the layer as one operator, because the layer's forward pass depends on the device."""

    def __init__(
        self, in_channels: int, out_channels: int, *, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.has_bias = bias

    @abstractmethod
    def _kernel(self) -> Kernel:
        """Returns the kernel of the convolution that equals the sum of all branches."""

    def kernel(self) -> Kernel:
        """Returns the kernel of the convolution that equals the sum of all branches, in full precision under autocast."""
        some = next(self.parameters())
        with nullcontext() if some.is_meta else torch.autocast(some.device.type, enabled=False):
            return self._kernel()

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.kernel()
        weight = weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, bias, padding=1, groups=self.groups)

    def folded(self) -> nn.Conv2d:
        """Returns the convolution that equals the sum of the branches. Its kernel is computed in float64.

        On the meta device, only the shape of the convolution is right.
        """
        some = next(self.parameters())
        layer = nn.Conv2d(
            self.in_channels,
            self.out_channels,
            3,
            padding=1,
            groups=self.groups,
            bias=self.has_bias,
            device=some.device,
            dtype=some.dtype,
        )
        if not some.is_meta:
            with torch.no_grad():
                weight, bias = copy.deepcopy(self).double().kernel()
                layer.weight.copy_(weight)
                if layer.bias is not None:
                    assert bias is not None
                    layer.bias.copy_(bias)
        return layer.train(self.training)


def plain(in_channels: int, out_channels: int, bias: bool = True) -> nn.Conv2d:
    """Returns the 3x3 convolution without further branches."""
    return conv(3, in_channels, out_channels, bias=bias)


def at_centre(weight: Tensor) -> Tensor:
    """Returns the 3x3 kernel (..., 3, 3) that is equivalent to the 1x1 kernel `weight`, (..., 1, 1)."""
    return F.pad(weight, (1, 1, 1, 1))


def identity(weight: Tensor, groups: int = 1) -> Tensor:
    """Returns the 3x3 kernel that returns its input, with the shape of `weight` (O, I / groups, 3, 3), for O = I."""
    same = torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
    return at_centre(same.repeat(groups, 1)[..., None, None])


def summed(terms: Iterable[Tensor | None]) -> Tensor | None:
    """Returns the sum of all terms that are not None, or None if there are none."""
    total = None
    for term in terms:
        if term is not None:
            total = term if total is None else total + term
    return total
