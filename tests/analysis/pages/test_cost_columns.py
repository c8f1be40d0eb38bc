"""Tests a sweep whose objectives are unusual costs. The dashboard treats them as costs everywhere."""

from collections.abc import Iterator

import pytest

from analysis.figures.knob_cards import knob_cards
from analysis.pages.limits import best_inside, known_limits, limit_steps
from analysis.pages.live import Live, cost_choices, front_rows, live_pareto, load_live
from analysis.pages.side_by_side import compared
from analysis.pages.trial_blocks import column_definitions, table_columns
from analysis.read.columns import is_cost, is_latency
from analysis.read.live_rows import load_knobs_of
from searchspace.predicted import PREDICTED_LATENCY
from sweeps.measure.ntire import RULES
from sweeps.records import Measurement
from tests.stored import Database

SCORE = "ntire_2026"
TRIALS, BEHIND = 22, 20
HEADS = {PREDICTED_LATENCY: "predicted latency ms", SCORE: "NTIRE 2026 score"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    database = Database(tmp_path_factory.mktemp("costs") / "results.db")
    ways = {"psnr_y": "maximize", PREDICTED_LATENCY: "minimize", SCORE: "minimize"}
    sweep_id = database.store.open_sweep("fast", 4, {"seed": 7, "objectives": ways})
    for number in range(TRIALS):
        psnr, latency, score = 26.0 + number / 9, 10.0 + 5 * number, 1.0 + number % 4
        if number >= BEHIND:  # behind trial 0 in PSNR and latency; the last one has the best score
            psnr, latency, score = 25.0, 200.0, 0.5 if number == TRIALS - 1 else 9.0
        trial = database.trial(sweep_id, number, psnr, 1e4 * (40 - number), 1e9)
        values = {PREDICTED_LATENCY: latency, SCORE: score}
        rows = [Measurement(step=0, dataset="", name=n, value=v) for n, v in values.items()]
        database.store.record(trial, 1, rows)
    yield load_live(database.url, "fast")
    database.store.close()


@pytest.mark.parametrize("cost", [PREDICTED_LATENCY, SCORE])
def test_a_cost_of_this_sweep_alone_is_an_axis_a_limit_and_a_column(live: Live, cost: str) -> None:
    assert cost in cost_choices(live)
    figure = live_pareto(live, cost).figure
    assert figure["layout"]["meta"] == {"x": cost, "y": "psnr_y"}
    assert sum(len(trace["x"]) for trace in figure["data"] if "customdata" in trace) == TRIALS
    assert len(limit_steps(live)[cost]) > 1
    limit = float(live.points[cost].iloc[1])
    limits = known_limits(live, {cost: limit})
    found = live.points.set_index("number").loc[
        int(best_inside(live, limits).key.partition("#")[2])
    ]
    assert found[cost] <= limit
    assert cost in table_columns(live)
    assert cost in front_rows(live)
    compare = compared(live.url, ["fast#0", "fast#1"])
    assert compare is not None
    assert HEADS[cost] in [each["headerName"] for each in column_definitions(live)]
    (row,) = [row for row in compare.properties if row.name == HEADS[cost]]
    assert row.best == frozenset({0})


def test_the_front_is_that_of_all_objectives(live: Live) -> None:
    behind = live.points.loc[~live.points["on_front"], "number"]
    assert behind.tolist() == [BEHIND]


def test_the_importance_of_knobs_is_shown_for_these_costs(live: Live) -> None:
    cards = knob_cards(live.points, load_knobs_of(live.url, live.points["id"].to_numpy()))
    (card,) = [card for card in cards if card.name == "importance"]
    assert set(HEADS.values()) <= {trace["name"] for trace in card.figure["data"]}


def test_quartiles_and_qualities_are_no_costs() -> None:
    latency = "latency_ms torch float32 640x360 1 threads on box"
    costs = ["params", "multadds", "activations", PREDICTED_LATENCY, latency, *RULES]
    assert all(map(is_cost, costs))
    others = [
        "psnr_y",
        "Set5_psnr_y",
        "latency_q1 torch on box",
        "latency_ok x",
        "number",
        "seconds",
    ]
    assert not any(map(is_cost, others))
    assert [name for name in costs if is_latency(name)] == [PREDICTED_LATENCY, latency]
