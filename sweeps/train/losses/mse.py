"""The mean squared error."""

from torch import Tensor


def mse(super_res: Tensor, high_res: Tensor) -> Tensor:
    """Returns the mean of (super_res - high_res)^2 over all pixels and channels, as a scalar.

    Both images are float32 (N, 3, H, W).
    """
    difference = super_res - high_res
    return (difference * difference).mean()
