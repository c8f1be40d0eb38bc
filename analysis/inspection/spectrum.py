"""Computes the power spectral density of feature maps as a function of one frequency: the radial average of the 2D
spectrum.

Figs. 1 and 5 of "Two strategies toward lightweight image super-resolution" plot this density. Frequencies are in cycles
per pixel of the feature map. 0.5 is the highest frequency along a row or a column.

Example: one channel of 8x8 pixels that holds cos(2 pi 2 x / 8), two cycles along each row. Its 2D spectrum has two
nonzero coefficients, (0, 2) and (0, -2), both 64 / 2 = 32. The power of each is 32^2 / 64 = 16. Both lie in the ring of
radius 2, which has 12 coefficients: 4 at distance 2, and 8 at distance sqrt(5) = 2.24. So the density at 2 / 8 = 0.25
cycles per pixel is (16 + 16) / 12 = 2.67, and it is 0 at all other frequencies. White noise of variance 1 has an
expected density of 1 at every frequency.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

HIGH = 0.25
"""Frequency above which detail counts as high, in cycles per pixel: half of the highest frequency along a row."""


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The spectrum of the channels of one feature map."""

    frequencies: list[float]
    """The centres of the rings, in cycles per pixel. The mean of the map, at frequency 0, is left out."""
    density: list[float]
    """The mean power of the coefficients of each ring, over all channels, in squared units of the features."""
    high_share: float
    """The share of the variance at frequencies above HIGH, from 0 to 1. For white noise, the share is 1 - pi / 16 =
    0.80. NaN if the map is constant."""


def spectrum(features: Tensor) -> Spectrum:
    """Returns the spectrum of `features` (C, H, W).

    The power of a coefficient is |F|^2 / (H W). The mean power over all coefficients is then the mean square of the
    features. Ring number k holds the coefficients whose frequency times min(H, W) rounds to k. There are min(H, W) // 2
    rings. The corners of the 2D spectrum, beyond 0.5 cycles per pixel, are in no ring, but they count in `high_share`.
    The map is not windowed, so the jump between opposite borders adds power at all frequencies along both axes.
    """
    height, width = features.shape[-2:]
    side = min(height, width)
    power = torch.fft.fft2(features.double()).abs().square().mean(0) / (height * width)
    rows = torch.fft.fftfreq(height, dtype=torch.float64, device=features.device)
    columns = torch.fft.fftfreq(width, dtype=torch.float64, device=features.device)
    distance = (rows[:, None] ** 2 + columns**2).sqrt()
    ring = (distance * side).round().long()
    rings = side // 2
    inside = (ring >= 1) & (ring <= rings)
    totals = torch.bincount(ring[inside], power[inside], rings + 1)[1:]
    counts = torch.bincount(ring[inside], minlength=rings + 1)[1:]
    power[0, 0] = 0
    variance = power.sum()
    high = float(power[distance > HIGH].sum() / variance) if variance > 0 else float("nan")
    return Spectrum(
        frequencies=[number / side for number in range(1, rings + 1)],
        density=(totals / counts).tolist(),
        high_share=high,
    )
