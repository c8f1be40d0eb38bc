from plotly.graph_objects import Figure

from analysis.figures.timelines import curves_data, draw_curves, draw_volume, volume_data
from analysis.read.frames import load_curves
from tests.stored import Database

OBJECTIVES = {"psnr_y": "maximize", "params": "minimize", "multadds": "minimize"}


def test_curves_of_the_front_come_last_and_on_top(trials, small: Database) -> None:
    lines = curves_data(load_curves(small.url), trials)
    assert [line["on_front"] for line in lines] == [False, False, True, True, True]
    assert lines[-1]["values"] == [25.0, 26.0]


def test_the_hypervolume_grows_to_its_end(trials) -> None:
    shares = volume_data(trials, OBJECTIVES)["share"].tolist()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_figures_are_valid_to_plotly(trials, small: Database) -> None:
    Figure(draw_curves(curves_data(load_curves(small.url), trials), 25.5)).to_json()
    Figure(draw_volume(volume_data(trials, OBJECTIVES))).to_json()
