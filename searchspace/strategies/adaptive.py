"""Sums of two paths, with or without learnt scalars. Also the initialisation of deep plain networks."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from searchspace.strategies.reparam import Reparameterised


class Sum(nn.Module):
    """The plain sum residual + x."""

    def forward(self, residual: Tensor, x: Tensor) -> Tensor:
        return residual + x


class AdaptiveSum(Sum):
    """The sum a * residual + b * x. The learnt scalars a and b start at 1 (AWSRN, MSSN; docs/facts.md 2.1, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.residual_weight = nn.Parameter(torch.ones(1))
        self.x_weight = nn.Parameter(torch.ones(1))

    def forward(self, residual: Tensor, x: Tensor) -> Tensor:
        return self.residual_weight * residual + self.x_weight * x


SUMS: dict[bool, Callable[[], Sum]] = {False: Sum, True: AdaptiveSum}
"""The class of a sum. The key is whether the sum has learnt scalars."""


def spread_evenly(total: int, parts: int) -> list[range]:
    """Splits the numbers from 0 to `total` - 1 into `parts` consecutive ranges whose lengths differ by at most one."""
    bounds = [round(i * total / parts) for i in range(parts + 1)]
    return [range(first, last) for first, last in pairwise(bounds)]


def he_normal(network: nn.Module) -> None:
    """Draws the weights of all convolutions with variance 2 / fan-out and sets their biases to zero.

    With PyTorch's default initialisation, each layer multiplies the signal by about 0.4, so almost nothing is left
    after the 20 layers of VDSR. The public PyTorch code of VDSR, DRRN and LapSRN uses He initialisation,
    too.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, Reparameterised):
            width = part.in_channels // part.groups
            drawn = torch.empty(part.out_channels, width, 3, 3)
            nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu")
            part.start_from(drawn, drawn.new_zeros(part.out_channels))
