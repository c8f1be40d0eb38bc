"""Checks the figures of INT8: which trials join or leave the front, and whose order is reversed."""

import pandas as pd
import pytest
from plotly.graph_objects import Figure

from analysis.figures.int8_cards import int8_cards
from analysis.figures.quantised import (
    draw_int8_front,
    draw_int8_ranks,
    exported,
    int8_costs,
    rank_changes,
)
from analysis.pages.report import report_page
from sweeps.records import Measurement
from tests.analysis.pages.test_report import figures
from tests.stored import Database

LATENCY = "latency_ms onnxruntime {} 320x180 1 threads on box"


@pytest.fixture
def trials() -> pd.DataFrame:
    """Five trials of rising size.

    The second loses so much in INT8 that the third overtakes it. The fifth was never exported to INT8.
    """
    return pd.DataFrame(
        {
            "sweep": "a",
            "number": [0, 1, 2, 3, 4],
            "state": "complete",
            "label": ["w=1", "w=2", "w=<3>", "w=4", "w=5"],
            "params": [1e4, 2e4, 3e4, 4e4, 5e4],
            "psnr_y": [26.0, 27.0, 26.9, 28.0, 29.0],
            "psnr_y_int8": [25.9, 26.2, 26.85, 27.9, None],
            LATENCY.format("float32"): [1.0, 2.0, 3.0, 4.0, 5.0],
            LATENCY.format("int8"): [0.6, 1.1, 1.0, None, None],
        }
    )


def test_only_what_was_exported_is_drawn(trials: pd.DataFrame) -> None:
    assert exported(trials)["number"].tolist() == [0, 1, 2, 3]
    assert exported(trials.drop(columns="psnr_y_int8")).empty
    assert int8_cards(trials.drop(columns="psnr_y_int8")) == []


def test_each_precision_has_its_front_and_changes_are_ringed(trials: pd.DataFrame) -> None:
    drawn = draw_int8_front(exported(trials), "params", "params")
    traces = {trace["name"]: trace for trace in drawn["data"]}
    assert traces["front, float32"]["x"] == [1e4, 2e4, 4e4]
    assert traces["front, INT8"]["x"] == [1e4, 2e4, 3e4, 4e4]
    assert (traces["joins the front"]["x"], traces["joins the front"]["y"]) == ([3e4], [26.85])
    assert "leaves the front" not in traces
    assert "w=&lt;3&gt;" in " ".join(traces["INT8"]["text"])


def test_against_latency_int8_moves_both_ways(trials: pd.DataFrame) -> None:
    before, after = LATENCY.format("float32"), LATENCY.format("int8")
    assert int8_costs(exported(trials)) == [("params", "params"), (before, after)]
    drawn = draw_int8_front(exported(trials), before, after)
    traces = {trace["name"]: trace for trace in drawn["data"]}
    assert traces["one trial"]["x"][:3] == [1.0, 0.6, None]
    assert traces["front, INT8"]["x"] == [
        0.6,
        1.0,
    ]  # the third is faster and better than the second
    assert traces["leaves the front"]["x"] == [1.1]


def test_all_points_of_both_fronts_are_drawn(
    trials: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.figures.quantised.MOST_DOMINATED", 0)
    worse = trials.assign(psnr_y=trials["psnr_y"] - 2, psnr_y_int8=trials["psnr_y_int8"] - 2)
    both = pd.concat([exported(trials), exported(worse)], ignore_index=True)
    drawn = {t["name"]: t for t in draw_int8_front(both, "params", "params")["data"]}
    assert sorted(drawn["INT8"]["x"]) == [1e4, 2e4, 3e4, 4e4]
    assert len(drawn["float32"]["x"]) == 4


def test_ranks_cross_where_int8_turns_the_order(trials: pd.DataFrame) -> None:
    own = exported(trials)
    drawn = draw_int8_ranks(own)
    assert [trace["y"] for trace in drawn["data"]] == [[1, 1], [2, 3], [3, 2], [4, 4]]
    assert rank_changes(own) == 1
    Figure(drawn).to_json()


def test_the_report_draws_the_front_anew_after_int8(small: Database) -> None:
    assert "After INT8" not in report_page(small.url)
    for trial_id, psnr in ((1, 25.9), (2, 26.7), (3, 27.0)):
        row = Measurement(step=1_000, dataset="validation", name="psnr_y_int8", value=psnr)
        small.store.record(trial_id, 1, [row])
    page = report_page(small.url)
    assert "After INT8" in page
    assert {"g0-int8-params", "g0-int8-multadds", "g0-int8-ranks"} <= set(figures(page))
    assert "The median loss through INT8 is 0.300 dB" in page


def test_long_names_of_sweeps_are_shortened_beside_the_ranks(trials: pd.DataFrame) -> None:
    sweeps = ["wide-search-of-families", "short", "wide-search-of-families", "short", "short"]
    drawn = draw_int8_ranks(exported(trials.assign(sweep=sweeps)))
    texts = [note["text"].split()[0] for note in drawn["layout"]["annotations"]][::2]
    assert texts == ["short#3", "short#1", "wide-search-…#2", "wide-search-…#0"]
    assert drawn["data"][2]["name"] == "wide-search-of-families#2"
