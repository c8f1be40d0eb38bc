"""Tests what the dashboard computes when a sweep has few results, and when new results arrive."""

import json

import pandas as pd
import pytest
from plotly.graph_objects import Figure

from analysis.figures.theme import RUNNING
from analysis.figures.timelines import volume_data
from analysis.pages import live as live_module
from analysis.pages.live import VIEWS, front_rows, live_cards, live_pareto, load_live, sentence
from analysis.pages.report import load_groups
from analysis.read.frames import load_trials
from sweeps.records import Measurement
from tests.stored import OBJECTIVES, Database


@pytest.mark.parametrize("trials", [0, 1])
def test_a_sweep_without_a_complete_trial_is_drawn_empty(database: Database, trials: int) -> None:
    sweep_id = database.sweep("young")
    for number in range(trials):
        database.trial(sweep_id, number, 26.0, 1e4, 1e9, state="paused")
        database.trial(sweep_id, 7, None, 1e4, 1e9, state="failed", error="no", seed=1)
        database.trial(sweep_id, 8, 26.0, 1e4, 1e9, state="running", seed=2)
    live = load_live(database.url, "young")
    assert live.front.empty
    assert live.chosen is None
    assert "0 on the front" in sentence(live)
    cards = [live_pareto(live, "params")]
    for view in VIEWS:
        cards += live_cards(live, view)[0]
    for card in cards:
        Figure(card.figure).to_json()
    assert "no trial is complete yet" in str(cards[0].figure["layout"]["annotations"])
    curves = next(card for card in cards if card.name == "curves")
    colours = [line["line"]["color"] for line in curves.figure["data"]]
    assert len(colours) == 2 * trials  # of what is paused and of what runs
    assert colours.count(RUNNING) == trials


def test_the_dashboard_has_every_figure_of_the_report(small: Database) -> None:
    from analysis.pages.report import report_page
    from tests.analysis.pages.test_report import figures

    live = load_live(small.url, "small")
    names = {"params", *(card.name for view in VIEWS for card in live_cards(live, view)[0])}
    of_report = {name.removeprefix("g0-") for name in figures(report_page(small.url))}
    assert of_report - {"multadds"} == names
    assert live_pareto(live, "multadds").figure["data"]


def test_news_are_read_and_nothing_else(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_live(small.url, "small")
    assert load_live(small.url, "small", before) is before
    small.trial(1, 6, 27.4, 90_000, 4e9)
    asked = []
    load_points = live_module.load_points

    def noted(url: str, sweep: str, names: list[str], ids: list[int] | None = None) -> pd.DataFrame:
        asked.append(ids)
        return load_points(url, sweep, names, ids)

    monkeypatch.setattr(live_module, "load_points", noted)
    after = load_live(small.url, "small", before)
    assert asked == [[7]]
    again = load_live(small.url, "small")
    pd.testing.assert_frame_equal(after.points, again.points)
    assert after.stamp != before.stamp
    assert json.loads(json.dumps(after.stamp)) == after.stamp  # it goes through a browser and back


def test_what_is_measured_later_is_news(small: Database) -> None:
    before = load_live(small.url, "small")
    assert not live_cards(before, "INT8")[0]
    row = Measurement(step=1_000, dataset="validation", name="psnr_y_int8", value=26.4)
    small.store.record(2, 1, [row])
    after = load_live(small.url, "small", before)
    assert after is not before
    assert [card.name for card in live_cards(after, "INT8")[0]] == ["int8-params", "int8-multadds"]


def test_the_growth_of_the_front_is_that_of_the_report(small: Database) -> None:
    live = load_live(small.url, "small")
    (group,) = load_groups(small.url, None)
    pd.testing.assert_frame_equal(
        volume_data(live.points, live.facts.objectives), volume_data(group.trials, OBJECTIVES)
    )


def test_a_flat_end_of_the_volume_is_drawn_to_the_last_trial(database: Database) -> None:
    sweep_id = database.sweep("flat")
    for number, psnr in enumerate((26.0, 27.0, 25.0, 24.0)):
        database.trial(sweep_id, number, psnr, 1e4 + number, 1e9)
    cards = {card.name: card for card in live_cards(load_live(database.url, "flat"), "training")[0]}
    assert cards["volume"].figure["data"][0]["x"][-1] == 3
    assert cards["spend"].figure["data"][0]["y"] == [1.5] * 4


def test_the_front_has_pages_and_costs_in_a_readable_unit(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "ROWS", 2)
    live = load_live(small.url, "small")
    assert front_rows(live)["number"].tolist() == [0, 1]
    assert front_rows(live, 1)["number"].tolist() == [2]
    assert front_rows(live, 1)["core-minutes"].tolist() == [1.5]


def test_of_100_000_points_few_are_drawn_and_no_front_point_is_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "MOST_POINTS", 2)
    sweep_id = database.sweep("large")
    for number in range(12):
        database.trial(sweep_id, number, 26 + number % 4, 1e4 * (1 + number), 1e9)
    live = load_live(database.url, "large")
    front = load_trials(database.url).merge(live.points[["id", "on_front"]], on="id")
    assert set(front[front["on_front"]]["id"]) <= set(live.shown["id"])
    assert len(live.shown) < 12
    assert "dominated trials not drawn" in sentence(live)
