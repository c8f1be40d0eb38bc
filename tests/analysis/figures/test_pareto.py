import numpy as np
import pytest
from plotly.graph_objects import Figure

from analysis.figures.pareto import draw_pareto, pareto_data, thin
from analysis.figures.published_strip import spaced
from analysis.figures.theme import MOST_TICKS, log_axis, log_range
from analysis.published.published import published_networks

OBJECTIVES = {"psnr_y": "maximize", "params": "minimize", "multadds": "minimize"}


def data_of(trials, **changes):
    return pareto_data(trials, "params", "multadds", objectives=OBJECTIVES, **changes)


def test_the_plot_has_the_finished_trials_and_the_front_as_a_step(trials) -> None:
    data = data_of(trials, bicubic=25.5)
    assert data.points["x"].tolist() == [1e4, 1e5, 5e5, 2e5]
    assert data.points["on_front"].tolist() == [True, True, True, False]
    assert data.step.to_numpy().tolist() == [[1e4, 26.0], [1e5, 27.0], [5e5, 27.5]]


def test_hovering_shows_the_architecture_and_every_cost(trials) -> None:
    text = data_of(trials).points["text"].iloc[1]
    for words in ("n_feats=2", "27.00", "parameters 100K", "Mult-Adds 5G", "trial 1"):
        assert words in text


def test_labels_cannot_smuggle_markup_into_the_page(trials) -> None:
    trials["label"] = "<img src=x>"
    assert "<img" not in data_of(trials).points["text"].iloc[0]


def test_a_published_network_has_a_cost_and_never_a_validation_psnr(trials) -> None:
    figure = draw_pareto(data_of(trials, networks=published_networks(4, "params")))
    published = [t for t in figure["data"] if t["name"].startswith("published")]
    assert published
    assert all(trace["yaxis"] == "y2" for trace in published)
    drawn = [t for t in figure["data"] if t.get("yaxis") is None and t["mode"] == "markers"]
    assert sum(len(trace["x"]) for trace in drawn) == 4


def test_thinning_never_drops_a_wanted_point() -> None:
    wanted = np.arange(1_000) % 7 == 0
    kept = thin(wanted, 50)
    assert kept[wanted].all()
    assert kept.sum() == wanted.sum() + 50
    assert (thin(wanted, 50) == kept).all()


def test_thinned_points_are_counted(trials) -> None:
    data = data_of(trials, most=0)
    assert (len(data.points), data.left_out) == (3, 1)


def test_ruined_trials_do_not_squeeze_the_axis(trials) -> None:
    many = trials.loc[[0, 1, 2, 3] * 10].reset_index(drop=True)
    many.loc[0, "psnr_y"] = 5.0
    data = data_of(many)
    assert data.range[0] > 20
    assert data.below == 1


def test_names_in_the_strip_do_not_overlap() -> None:
    placed = spaced(["b", "a", "far", "edge"], [1.001, 1.0, 5.0, 10.0], 0, 10)
    assert placed == [("b", 1.001), ("far", 5.0)]


def test_the_figure_is_valid_to_plotly(trials) -> None:
    data = data_of(trials, bicubic=25.5, networks=published_networks(4, "params"))
    Figure(draw_pareto(data)).to_json()


def test_without_published_networks_the_plot_has_the_room_of_the_strip(trials) -> None:
    layout = draw_pareto(data_of(trials))["layout"]
    assert "yaxis2" not in layout
    assert "domain" not in layout["yaxis"]


@pytest.mark.parametrize("ends", [(861, 1_047), (4, 5), (2e4, 5e4), (1e6, 1e6), (1e4, 3e4)])
def test_a_short_logarithmic_axis_has_several_ticks(ends: tuple[float, float]) -> None:
    ticks = log_axis(*log_range(ends))["tickvals"]
    assert 4 <= len(ticks) <= MOST_TICKS
