"""The worked example at the top of the module."""

import numpy as np
import pytest

from sweeps.search.pareto.expected_improvement import Budgets


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
