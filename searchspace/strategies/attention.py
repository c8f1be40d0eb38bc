"""Attention on the outputs of a network's blocks, chosen by the knob `attention`.

A network builds one `Attention` for all its blocks. From the first features, it computes the guide, a tensor that all
blocks share. Then it passes the output of every block through the attention:

    guide = self.attention.guide(first)
    for index, block in enumerate(self.blocks):
        x = self.attention(block(x), index, guide)
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from searchspace.layers import ConvNorm, conv
from searchspace.spec import Search, one_of


class Attention(nn.Module):
    """The base class of all attentions. It returns the outputs of blocks unchanged, so it also implements `none`."""

    def guide(self, first: Tensor) -> Tensor:
        """Returns the guide, a tensor computed from the first features (N, C, H, W), for all calls of `forward`."""
        return first

    def forward(self, x: Tensor, index: int, guide: Tensor) -> Tensor:
        """Returns the output (N, C, H, W) of block `index` after attention."""
        return x


class GlobalAttention(Attention):
    """Multiplies the outputs of all blocks by the same map, (N, C, H, W) with values in (0, 1).

    The map comes from the first features by these layers: depthwise 7x7 convolution, batch norm, ReLU, 1x1
    convolution, sigmoid. Source: "Two strategies toward lightweight image super-resolution", where it is called GAB
    (docs/facts.md 3.1).
    """

    def __init__(self, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.depthwise = ConvNorm(conv(7, channels, channels, groups=channels))
        self.pointwise = conv(1, channels, channels)

    def guide(self, first: Tensor) -> Tensor:
        return torch.sigmoid(self.pointwise(torch.relu(self.depthwise(first))))

    def forward(self, x: Tensor, index: int, guide: Tensor) -> Tensor:
        return x * guide


class BlockAttention(Attention):
    """Multiplies the output of every block by a gate that belongs to this block. `gate(channels)` builds one gate."""

    def __init__(self, gate: Callable[[int], nn.Module], channels: int, num_blocks: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(gate(channels) for _ in range(num_blocks))

    def forward(self, x: Tensor, index: int, guide: Tensor) -> Tensor:
        return x * self.gates[index](x)


class ChannelGate(nn.Module):
    """Computes one weight in (0, 1) per channel, (N, C, 1, 1), from channel means (CA of RCAN; docs/facts.md 4)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        middle = max(1, channels // reduction)
        self.squeeze = conv(1, channels, middle)
        self.excite = conv(1, middle, channels)

    def statistic(self, x: Tensor) -> Tensor:
        """Returns the statistic of each channel, (N, C, 1, 1), from which `forward` computes the weights."""
        return x.mean((2, 3), keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(self.statistic(x)))))


class ContrastGate(ChannelGate):
    """A `ChannelGate` on the mean plus the standard deviation of each channel (CCA of IMDN; docs/facts.md 4)."""

    def statistic(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        deviation = ((x - mean).square().mean((2, 3), keepdim=True) + 1e-12).sqrt()
        return mean + deviation


class SpatialGate(nn.Module):
    """Computes a weight in (0, 1) per pixel, (N, 1, H, W), from mean and maximum over channels (SA; docs/facts.md 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv(7, 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        statistics = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return torch.sigmoid(self.conv(statistics))


class EnhancedSpatialGate(nn.Module):
    """Computes a weight in (0, 1) per value, (N, C, H, W), from a map of about H / 6 x W / 6 (ESA; docs/facts.md 4).

    Departure from the paper: small inputs are accepted. An input with fewer than 15 rows or columns is too small for
    the 7x7 pooling, so the pooling window shrinks to the map. An input with fewer than 3 rows or columns is too small
    for the strided convolution, so it is first padded with zeros to 3.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 4,
        *,
        middle: int | None = None,
        strided: nn.Module | None = None,
        body: nn.Module | None = None,
    ) -> None:
        """Builds the gate for features of `channels` channels.

        `middle` is the number of channels of the small map, by default `channels // reduction`. `strided` replaces the
        strided 3x3 convolution, which has no padding. `body` replaces the layers after the pooling.
        """
        super().__init__()
        middle = middle or max(1, channels // reduction)
        self.squeeze = conv(1, channels, middle)
        self.strided = strided or nn.Conv2d(middle, middle, 3, stride=2)
        self.body = body or nn.Sequential(
            conv(3, middle, middle),
            nn.ReLU(),
            conv(3, middle, middle),
            nn.ReLU(),
            conv(3, middle, middle),
        )
        self.skip = conv(1, middle, middle)
        self.excite = conv(1, middle, channels)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x)
        shrunk = self._shrunk_for_export if torch.compiler.is_compiling() else self._shrunk
        small = shrunk(squeezed)
        seen = self.body(_pooled(small))
        seen = F.interpolate(seen, x.shape[2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.excite(seen + self.skip(squeezed)))

    def _shrunk(self, squeezed: Tensor) -> Tensor:
        return self.strided(_at_least_3(squeezed))

    def _shrunk_for_export(self, squeezed: Tensor) -> Tensor:
        """Returns the result of `_shrunk`, padded to at least 7 rows and columns, from a graph that works for every
        image size.

        The input is padded by two zeros on each side, so that the convolution accepts every size. The first and last
        row and column of the convolution's output are then dropped. A map smaller than the pooling window is padded
        with copies of its border, which do not change a maximum.
        """
        small = self.strided(F.pad(squeezed, (2, 2, 2, 2)))
        for axis in (2, 3):
            size = small.shape[axis] - 2
            index = torch.arange(torch.sym_max(size, 7), device=small.device)
            small = small.index_select(axis, 1 + index.clamp(max=torch.sym_max(size, 1) - 1))
        return small


@fx.wrap  # sizes decide in here, so a traced network calls it as one operator
def _at_least_3(x: Tensor) -> Tensor:
    """Returns `x` (N, C, H, W), padded with zeros to at least 3 rows and columns."""
    rows, columns = x.shape[2:]
    missing = (0, max(0, 3 - columns), 0, max(0, 3 - rows))
    return F.pad(x, missing) if any(missing) else x


@fx.wrap
def _pooled(x: Tensor) -> Tensor:
    """Returns the maxima of `x` (N, C, H, W) in windows of 7x7 at every third pixel. Small maps have smaller windows."""
    return F.max_pool2d(x, (min(7, x.shape[2]), min(7, x.shape[3])), stride=3)


ATTENTIONS: dict[str, Callable[[int, int], Attention]] = {
    "none": lambda channels, num_blocks: Attention(),
    "global": GlobalAttention,
    "channel": lambda channels, num_blocks: BlockAttention(ChannelGate, channels, num_blocks),
    "contrast": lambda channels, num_blocks: BlockAttention(ContrastGate, channels, num_blocks),
    "spatial": lambda channels, num_blocks: BlockAttention(SpatialGate, channels, num_blocks),
    "enhanced_spatial": lambda channels, num_blocks: BlockAttention(
        EnhancedSpatialGate, channels, num_blocks
    ),
}
"""The builder for each value of the knob `attention`. A builder takes (channels, number of blocks)."""
AttentionName = Annotated[str, one_of(ATTENTIONS), Search(tuple(ATTENTIONS))]
"""The type of the knob `attention`. If a sweep file says `auto`, the sweep tries all names."""
