"""The radial spectrum of signals whose spectrum is known."""

import math

import pytest
import torch

from analysis.inspection.spectrum import spectrum


def test_a_wave_has_one_peak_of_the_height_worked_out_by_hand() -> None:
    # Two cycles along rows of 8 pixels: two coefficients of power 16 among the 12 of the ring of radius 2.
    wave = torch.cos(2 * math.pi * 2 * torch.arange(8) / 8).expand(1, 8, 8)
    found = spectrum(wave)
    assert found.frequencies == [0.125, 0.25, 0.375, 0.5]
    assert found.density == pytest.approx([0, 32 / 12, 0, 0], abs=1e-9)
    assert found.high_share == pytest.approx(0, abs=1e-9)  # 0.25 itself is not above 0.25


def test_the_peak_moves_with_the_frequency_and_ignores_the_mean() -> None:
    wave = 7 + torch.cos(2 * math.pi * 12 * torch.arange(32) / 32).view(1, 32, 1).expand(2, 32, 48)
    found = spectrum(wave)
    assert found.frequencies[max(range(16), key=found.density.__getitem__)] == 12 / 32
    assert found.high_share == pytest.approx(1)


def test_an_impulse_and_white_noise_are_flat() -> None:
    impulse = torch.zeros(1, 16, 16)
    impulse[0, 3, 5] = 16
    assert spectrum(impulse).density == pytest.approx([1] * 8)
    noise = torch.randn(64, 64, 64, generator=torch.Generator().manual_seed(0))
    found = spectrum(noise)
    assert found.density == pytest.approx(
        [1] * 32, abs=0.2
    )  # the inner rings have few coefficients
    assert found.density[8:] == pytest.approx([1] * 24, abs=0.05)
    assert found.high_share == pytest.approx(1 - math.pi / 16, abs=0.01)


def test_the_power_of_all_coefficients_is_the_variance() -> None:
    # Frequencies 1 and 3 of at most 7, so no power lies in the corners, which are in no ring.
    x = torch.arange(15) / 15
    smooth = torch.sin(2 * math.pi * x).view(1, 15, 1) + torch.cos(2 * math.pi * 3 * x)
    found = spectrum(smooth)
    distance = (torch.fft.fftfreq(15)[:, None] ** 2 + torch.fft.fftfreq(15) ** 2).sqrt() * 15
    counts = [int((distance.round() == ring).sum()) for ring in range(1, 8)]
    total = sum(d * n for d, n in zip(found.density, counts, strict=True)) / 15**2
    assert total == pytest.approx(float(smooth.var(correction=0)))


def test_a_constant_map_has_no_share() -> None:
    assert math.isnan(spectrum(torch.full((1, 8, 8), 3.0)).high_share)
