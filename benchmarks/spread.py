"""Computes medians, quartiles and ratios of measurements from several rounds."""

from collections.abc import Sequence
from statistics import median, quantiles


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns the lower quartile, the median and the upper quartile. For a single value, all three equal the value."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return lower, median(values), upper


def ratios(slow: Sequence[float], fast: Sequence[float]) -> str:
    """Returns the median and the quartiles of fast / slow, such as '6.10x (5.80 to 6.40, 5 rounds)'.

    Values at the same position of `slow` and `fast` come from the same round.
    """
    if len(slow) == 1:
        return f"{fast[0] / slow[0]:.2f}x (one round)"
    lower, middle, upper = spread([f / s for s, f in zip(slow, fast, strict=True)])
    return f"{middle:.2f}x ({lower:.2f} to {upper:.2f}, {len(slow)} rounds)"
