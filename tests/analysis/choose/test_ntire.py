import math

import pandas as pd
import pytest

from analysis.choose.ntire import ranking
from searchspace.cost import costs
from sweeps.measure.ntire import CHALLENGES, Use, scores

SPAN = Use(latency=5.59, multadds=9.83e9, params=0.151e6)


@pytest.mark.parametrize("year", CHALLENGES)
def test_the_baseline_has_the_printed_score(year: int) -> None:
    challenge = CHALLENGES[year]
    assert challenge.runtime + challenge.multadds + challenge.params == pytest.approx(1)
    assert {round(value, 4) for value in scores(SPAN, SPAN, challenge).values()} == {7.3891}


def test_the_baselines_are_the_networks_of_the_challenges() -> None:
    params = {year: costs(rule.baseline, 4)["params"] for year, rule in CHALLENGES.items()}
    assert params == {2024: 317_218, 2025: 276_192, 2026: 150_688}


def test_the_score_weighs_running_time_most() -> None:
    half = Use(latency=SPAN.latency / 2, multadds=2 * SPAN.multadds, params=SPAN.params)
    found = scores(half, SPAN, CHALLENGES[2026])
    wanted = 0.8 * math.e + 0.1 * math.e**4 + 0.1 * math.e**2
    assert found["score"] == pytest.approx(wanted)
    assert found["score_runtime"] == pytest.approx(math.e)


def test_only_variants_that_pass_the_gate_and_were_timed_are_ranked() -> None:
    frame = pd.DataFrame(
        {
            "reference": ["a#0", "a#1", "a#2", "a#3"],
            "label": ["slow", "fast", "blurred", "untimed"],
            "psnr_y": [28.4, 28.3, 28.2, 29.0],  # luma does not pass the gate for a network
            "psnr_rgb": [27.0, 26.9, 26.89, 28.0],
            "time": [5.59, 4.0, 1.0, math.nan],
            "multadds": 9.83e9,
            "params": 0.151e6,
        }
    )
    table = ranking(frame, "time", SPAN, CHALLENGES[2026], 26.9)
    assert table["label"].tolist() == ["fast", "slow"]
    assert round(table["score"].iloc[1], 4) == 7.3891
