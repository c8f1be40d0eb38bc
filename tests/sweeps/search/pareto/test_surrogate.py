"""The worked example at the top of the model's module."""

import numpy as np
import pytest

from sweeps.search.pareto.surrogate import Observations, Surrogate


def test_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(model: Surrogate) -> None:
        model.lengths, model.share = np.array([0.5]), np.array([1.0])
        model.noise, model.signal = 0.0, 1.0

    monkeypatch.setattr(Surrogate, "_fit", fit)
    seen = Observations(
        features=np.array([[0.0], [1.0]]),
        task=np.array([0, 0]),
        trial=np.array([0, 1]),
        psnr=np.array([30.0, 32.0]),
    )
    model = Surrogate(seen, np.array([0]), np.array([False]))
    assert model.top == pytest.approx(32.3)
    assert (model.centre, model.spread) == pytest.approx((0.186, 1.018), abs=1e-3)
    assert model.target == pytest.approx([-1, 1])
    assert model.weights == pytest.approx([-1.161, 1.161], abs=1e-3)
    mean, deviation = model.predict(np.array([[0.25]]))
    assert (mean[0] - model.centre) / model.spread == pytest.approx(-0.633, abs=1e-3)
    assert deviation[0] / model.spread == pytest.approx(0.533, abs=1e-3)
    assert (mean[0], deviation[0]) == pytest.approx((-0.459, 0.543), abs=1e-3)
    psnr = model.psnr(mean + deviation * np.array([-1, 0, 1]))
    assert psnr == pytest.approx([29.6, 30.7, 31.4], abs=0.05)
