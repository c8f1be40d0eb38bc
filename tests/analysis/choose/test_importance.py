"""Tests the importance of knobs on trials for which the right answer is known."""

import numpy as np
import pandas as pd

from analysis.choose.importance import LEAST_TRIALS, importances


def invented(count: int = 200) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials whose PSNR depends on `deep` and whose cost depends on `wide`; `idle` does nothing."""
    random = np.random.default_rng(0)
    knobs = pd.DataFrame({name: random.integers(0, 4, count) for name in ("deep", "wide", "idle")})
    trials = pd.DataFrame(
        {
            "id": knobs.index,
            "family": "a",
            "psnr_y": knobs["deep"] + random.normal(0, 0.2, count),
            "params": 10.0 ** knobs["wide"],
        }
    )
    return trials, knobs.astype(str)


def test_the_knob_that_decides_is_the_most_important_one() -> None:
    trials, knobs = invented()
    found = importances(trials, knobs, {"psnr_y": "maximize", "params": "minimize"})
    assert np.allclose(found.groupby("target")["share"].sum(), 1)
    shares = found.set_index(["target", "knob"])["share"]
    assert shares["psnr_y", "deep"] > 0.8
    assert shares["params", "wide"] > 0.8


def test_what_does_not_vary_or_is_too_little_is_left_out() -> None:
    trials, knobs = invented()
    constant = importances(
        trials.assign(params=1.0), knobs.assign(idle="0"), {"params": "minimize"}
    )
    assert constant.empty
    assert importances(trials.head(LEAST_TRIALS - 1), knobs, {"psnr_y": "maximize"}).empty
    known = trials.assign(psnr_y=trials["psnr_y"].where(trials["id"] < 100))
    shares = importances(known, knobs.assign(idle="0"), {"psnr_y": "maximize"})
    assert set(shares["knob"]) == {"deep", "wide"}
