"""Plots any two columns of trials against each other, with the front of these two."""

import pandas as pd
import pytest
from plotly.graph_objects import Figure

from analysis.figures.pair import draw_pair

TRIALS = pd.DataFrame(
    {
        "sweep": "first",
        "number": [0, 1, 2, 3],
        "label": "a",
        "family": "a",
        "on_front": [True, False, False, True],
        "psnr_y": [26.0, 27.0, 26.5, 28.0],
        "ssim_y": [0.8, 0.9, 0.85, 0.7],
        "params": [1e4, 2e4, 4e4, 8e4],
        "multadds": [4e9, 1e9, 2e9, 3e9],
    }
)


@pytest.mark.parametrize(
    ("x", "y", "line", "shape"),
    [
        ("params", "multadds", [(1e4, 4e9), (2e4, 1e9)], "hv"),
        ("psnr_y", "params", [(26.0, 1e4), (27.0, 2e4), (28.0, 8e4)], "vh"),
        ("psnr_y", "ssim_y", [(27.0, 0.9), (28.0, 0.7)], "vh"),
    ],
)
def test_a_cost_is_minimised_and_a_quality_maximised(
    x: str, y: str, line: list[tuple[float, float]], shape: str
) -> None:
    figure = draw_pair(TRIALS, x, y)
    front, points = figure["data"]
    assert list(zip(front["x"], front["y"], strict=True)) == line
    assert front["line"]["shape"] == shape
    assert sorted(points["customdata"]) == ["first#0", "first#1", "first#2", "first#3"]
    assert figure["layout"]["xaxis"].get("type") == ("log" if x == "params" else None)
    Figure(figure).to_json()


def test_trials_without_one_of_the_values_are_left_out() -> None:
    unmeasured = TRIALS.assign(ssim_y=float("nan"))
    figure = draw_pair(unmeasured, "psnr_y", "ssim_y")
    assert figure["data"] == []
    assert "no trial has both values yet" in str(figure["layout"]["annotations"])
