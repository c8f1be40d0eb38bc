"""Units of mobile networks, chosen by the knob `unit`. A unit maps (N, C, H, W) to (N, C, H, W) and has no biases.

Sources: MobileNet, MobileNetV2, ShuffleNet and ShuffleNetV2, in the variants that give the counts in Table 1 of MSSN.
The unit mawru is the mobile adaptive weighted residual unit of MSSN (docs/facts.md 2.1, 2.5).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from searchspace.layers import conv
from searchspace.strategies.adaptive import SUMS
from searchspace.strategies.scaling import RESIDUAL_SCALINGS

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6}


@dataclass(frozen=True, kw_only=True)
class UnitShape:
    """The settings of a unit. No kind of unit uses all of these settings."""

    channels: int
    inner: int
    """Number of channels between the 1x1 convolutions of mawru, mobilenet_v2 and shufflenet_v1."""
    groups: int
    """Number of groups in the 1x1 convolutions of shufflenet_v1."""
    activation: str
    adaptive: bool
    """Whether a mawru multiplies its two paths by learnt scalars."""
    residual_scaling: str


class ResidualUnit(nn.Module):
    """The unit activation(body(x) + x), where x is the input after residual scaling.

    If `adaptive`, learnt scalars multiply body(x) and x.
    """

    def __init__(
        self,
        shape: UnitShape,
        body: nn.Module,
        *,
        adaptive: bool,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.scaling = RESIDUAL_SCALINGS[shape.residual_scaling](shape.channels)
        self.sum = SUMS[adaptive]()
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        return self.activation(self.sum(self.body(x), x))


class ChannelShuffle(nn.Module):
    """Reorders the channels so that each group of the next convolution reads from every group of the previous one."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


class SplitUnit(nn.Module):
    """Sends one half of the channels through `body`, leaves the other half unchanged, and shuffles all channels."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return self.shuffle(torch.cat([left, self.body(right)], 1))


def mobilenet_v1(shape: UnitShape) -> nn.Module:
    """Builds a depthwise 3x3 and a 1x1 convolution, each followed by an activation (M_v1 in Table 1 of MSSN)."""
    n, act = shape.channels, ACTIVATIONS[shape.activation]
    return nn.Sequential(
        conv(3, n, n, groups=n, bias=False), act(), conv(1, n, n, bias=False), act()
    )


def mobilenet_v2(shape: UnitShape) -> nn.Module:
    """Builds an expanding 1x1, a depthwise 3x3 and a linear 1x1 convolution. The input is added to their output."""
    return ResidualUnit(shape, _inverted_residual(shape), adaptive=False)


def mawru(shape: UnitShape) -> nn.Module:
    """Builds a `mobilenet_v2` unit. If `shape.adaptive`, learnt scalars multiply its residual and its identity path."""
    return ResidualUnit(shape, _inverted_residual(shape), adaptive=shape.adaptive)


def _inverted_residual(shape: UnitShape) -> nn.Module:
    n, inner, act = shape.channels, shape.inner, ACTIVATIONS[shape.activation]
    return nn.Sequential(
        conv(1, n, inner, bias=False),
        act(),
        conv(3, inner, inner, groups=inner, bias=False),
        act(),
        conv(1, inner, n, bias=False),
    )


def shufflenet_v1(shape: UnitShape) -> nn.Module:
    """Builds a residual unit: a grouped 1x1, a depthwise 3x3 and a grouped 1x1 convolution (S_v1 in Table 1 of MSSN).

    A channel shuffle precedes the depthwise convolution, and an activation follows the sum.
    """
    n, inner, groups = shape.channels, shape.inner, shape.groups
    act = ACTIVATIONS[shape.activation]
    body = nn.Sequential(
        conv(1, n, inner, groups=groups, bias=False),
        act(),
        ChannelShuffle(groups),
        conv(3, inner, inner, groups=inner, bias=False),
        conv(1, inner, n, groups=groups, bias=False),
    )
    return ResidualUnit(shape, body, adaptive=False, activation=act())


def shufflenet_v2(shape: UnitShape) -> nn.Module:
    """Builds a 1x1, a depthwise 3x3 and a 1x1 convolution on half of the channels, then a shuffle (S_v2 in Table 1)."""
    half, act = shape.channels // 2, ACTIVATIONS[shape.activation]
    return SplitUnit(
        nn.Sequential(
            conv(1, half, half, bias=False),
            act(),
            conv(3, half, half, groups=half, bias=False),
            conv(1, half, half, bias=False),
            act(),
        )
    )


UNITS: dict[str, Callable[[UnitShape], nn.Module]] = {
    "mawru": mawru,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "shufflenet_v1": shufflenet_v1,
    "shufflenet_v2": shufflenet_v2,
}
"""The builder for each value of the knob `unit`."""
