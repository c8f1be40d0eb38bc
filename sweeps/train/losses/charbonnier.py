"""The Charbonnier loss, a smooth form of the mean absolute difference."""

from torch import Tensor

EPSILON = 1e-3
"""The difference below which the loss is nearly quadratic, for colours in [0, 1]. LapSRN (Lai et al. 2017, arXiv
1704.03915) uses 1e-3. BasicSR and repositories that build on it use 1e-6, with which the loss is l1 in practice."""


def charbonnier(super_res: Tensor, high_res: Tensor) -> Tensor:
    """Returns the mean of sqrt(difference^2 + EPSILON^2) over all pixels and channels, as a scalar.

    Both images are float32 (N, 3, H, W).
    """
    difference = super_res - high_res
    return (difference * difference + EPSILON**2).sqrt().mean()
