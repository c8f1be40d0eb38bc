"""The worked example at the top of the module."""

import numpy as np
import pytest

from sweeps.search.pareto.expected_improvement import Budgets, Gap


def test_worked_example() -> None:
    budgets = Budgets(np.array([[0.2], [0.6]]), np.array([30.0, 32.0]), floor=28.0)
    assert budgets.volume == pytest.approx(2.48)
    cost, certain = np.array([[0.4]]), np.array([1e-9])
    for psnr, expected in [(31.0, 0.2), (33.0, 1.02)]:
        gain = budgets.expected_gain(cost, -np.log(np.array([34 - psnr])), certain, 34.0)
        assert gain == pytest.approx([expected])
    closeness = np.random.default_rng(0).normal(-1.1, 0.3, 400_000)
    psnr_drawn = 34 - np.exp(-closeness)
    assert np.median(psnr_drawn) == pytest.approx(31.0, abs=0.01)
    heights = [float(np.maximum(psnr_drawn - level, 0).mean()) for level in (30, 32)]
    assert heights == pytest.approx([0.98, 0.02], abs=0.005)
    gain = budgets.expected_gain(cost, np.array([-1.1]), np.array([0.3]), 34.0)
    assert gain == pytest.approx([0.2 * heights[0] + 0.42 * heights[1]], abs=0.002)
    assert gain == pytest.approx([0.20], abs=0.01)


def test_worked_example_of_an_uncertain_axis() -> None:
    budgets = Budgets(np.array([[0.2], [0.6]]), np.array([30.0, 32.0]), floor=28.0)
    closeness, certain = -np.log(np.array([34 - 31.0])), np.array([1e-9])
    gap = Gap(mean=np.log(np.array([0.4])), deviation=np.array([0.5]))
    gain = budgets.expected_gain(np.empty((1, 0)), closeness, certain, 34.0, [gap])
    drawn = np.exp(np.random.default_rng(0).normal(np.log(0.4), 0.5, 400_000))
    # The first cell gains 3 dB of height from the floor, the second 1 dB, and the third nothing.
    overlaps = [
        float((upper - np.clip(drawn, lower, upper)).mean())
        for lower, upper in [(0, 0.2), (0.2, 0.6), (0.6, 1.02)]
    ]
    assert overlaps == pytest.approx([0.003, 0.190, 0.381], abs=0.001)
    assert gain == pytest.approx([3 * overlaps[0] + overlaps[1]], abs=0.002)
    assert gain == pytest.approx([0.199], abs=0.001)


def test_without_axes_the_gain_is_the_expected_improvement() -> None:
    budgets = Budgets(np.empty((2, 0)), np.array([30.0, 32.0]), floor=28.0)
    assert budgets.volume == pytest.approx(4)
    certain = np.array([1e-9])
    for psnr, expected in [(31.0, 0.0), (33.0, 1.0)]:
        closeness = -np.log(np.array([34 - psnr]))
        gain = budgets.expected_gain(np.empty((1, 0)), closeness, certain, 34.0)
        assert gain == pytest.approx([expected])
