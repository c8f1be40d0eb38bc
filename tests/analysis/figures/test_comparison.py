import pytest
from plotly.graph_objects import Figure

from analysis.figures.comparison import draw_test_set
from analysis.published.published import published_points


def test_on_a_test_set_each_trace_names_its_training_set(trials) -> None:
    points = published_points(4, "Set5", "params")
    figure = draw_test_set(trials, points, "params", "Set5")
    names = {trace["name"]: trace for trace in figure["data"]}
    assert names["ours, trained on T91"]["y"] == [31.0]
    assert "published, trained on DIV2K" in names
    printed = [t for t in figure["data"] if t["name"].startswith("published, train")]
    assert sum(len(trace["x"]) for trace in printed) == len(points)


@pytest.mark.parametrize("cost", ["params", "multadds"])
def test_the_figure_is_valid_to_plotly(trials, cost: str) -> None:
    points = published_points(4, "Set5", cost)
    Figure(draw_test_set(trials, points, cost, "Set5")).to_json()
