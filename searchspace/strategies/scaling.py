"""Scaling of residual connections, chosen by the knob `residual_scaling`.

The input of every residual connection first passes through the scaling. So y = x + H(x) becomes y = x' + H(x'), where
x' is the scaled input.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from searchspace.spec import Search, one_of


class ChannelScale(nn.Module):
    """Multiplies every channel by a learnt weight that starts at 0.9.

    Source: the channel-wise scaling of "Two strategies toward lightweight image super-resolution" (docs/facts.md 3.2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1, channels, 1, 1), 0.9))

    def forward(self, x: Tensor) -> Tensor:
        """Scales features (N, C, H, W)."""
        return x * self.alpha


RESIDUAL_SCALINGS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "channelwise": ChannelScale,
}
"""The builder for each value of the knob `residual_scaling`. A builder takes the number of channels."""
ScalingName = Annotated[str, one_of(RESIDUAL_SCALINGS), Search(tuple(RESIDUAL_SCALINGS))]
"""The type of the knob `residual_scaling`. If a sweep file says `auto`, the sweep tries all names."""


class Residual(nn.Module):
    """The residual block x' + residual_scale * body(x'), where x' is the input (N, C, H, W) after `scaling`."""

    def __init__(
        self, body: nn.Module, scaling: str, channels: int, residual_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.body = body
        self.scaling = RESIDUAL_SCALINGS[scaling](channels)
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        residual = self.body(x)
        if self.residual_scale != 1:
            residual = residual * self.residual_scale
        return x + residual
