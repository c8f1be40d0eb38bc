import pandas as pd
import pytest
from plotly.graph_objects import Figure

from analysis.figures.timelines import (
    curves_data,
    draw_curves,
    draw_few_curves,
    draw_volume,
    volume_data,
)
from analysis.read.frames import load_curves
from tests.stored import Database

OBJECTIVES = {"psnr_y": "maximize", "params": "minimize", "multadds": "minimize"}


def test_curves_of_the_front_come_last_and_on_top(trials, small: Database) -> None:
    lines = curves_data(load_curves(small.url), trials)
    assert [line["on_front"] for line in lines] == [False, False, True, True, True]
    assert lines[-1]["values"] == [25.0, 26.0]


@pytest.mark.parametrize(
    ("steps", "ends"), [([500, 1_000], (485, 1_015)), ([600, 600], (300, 900)), ([0], (-1, 1))]
)
def test_the_axis_of_a_learning_curve_begins_at_its_first_evaluation(
    steps: list[int], ends: tuple[float, float]
) -> None:
    curves = pd.DataFrame({"id": 1, "sweep": "first", "number": 0, "step": steps, "value": 26.0})
    line = {"steps": steps, "values": [26.0] * len(steps), "params": 1e4, "text": "", "key": ""}
    drawn = draw_curves([line | {"on_front": True, "running": False}])
    for figure in (drawn, draw_few_curves(curves)):
        assert tuple(figure["layout"]["xaxis"]["range"]) == pytest.approx(ends)
    assert "range" not in draw_curves([])["layout"]["xaxis"]


def test_the_hypervolume_grows_with_what_a_trial_adds_to_it() -> None:
    """In dB and decades of parameters, above the worst of both: 1 x 2, then nothing, then 2 x 1 more, which overlap."""
    trials = pd.DataFrame(
        {
            "number": [0, 1, 2, 3],
            "state": "complete",
            "psnr_y": [26.0, 28.0, 27.0, 25.0],
            "params": [1e4, 1e6, 1e5, 1e6],
        }
    )
    found = volume_data(trials, {"psnr_y": "maximize", "params": "minimize"})
    assert found["number"].tolist() == [0, 1, 2, 3]
    assert found["share"].tolist() == pytest.approx([2 / 3, 2 / 3, 1, 1])


def test_the_figures_are_valid_to_plotly(trials, small: Database) -> None:
    Figure(draw_curves(curves_data(load_curves(small.url), trials), 25.5)).to_json()
    Figure(draw_volume(volume_data(trials, OBJECTIVES))).to_json()
