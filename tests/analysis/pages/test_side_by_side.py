"""Tests the comparison of trials: what differs, which is best, the commands, and wrong keys of a browser."""

import shlex

import pytest

from analysis.pages.limits import best_inside, known_limits, limit_steps
from analysis.pages.live import load_live
from analysis.pages.side_by_side import MOST_COMPARED, Comparison, compared
from tests.stored import Database


def texts(comparison: Comparison, name: str) -> list[str]:
    (row,) = [row for row in (*comparison.properties, *comparison.knobs) if row.name == name]
    return row.texts


def test_what_differs_is_told_apart_from_what_is_the_same(small: Database) -> None:
    found = compared(small.url, ["small#1", "small#0"])
    assert found is not None
    assert found.keys == ["small#1", "small#0"]
    assert texts(found, "n_feats") == ["2", "1"]
    assert "n_feats" not in " ".join(found.common)
    assert any(text.startswith("n_blocks=") for text in found.common)
    (params,) = [row for row in found.properties if row.name == "parameters"]
    assert params.best == frozenset({1})  # the cheaper one is second
    assert found.curves is not None
    assert [line["name"] for line in found.curves.figure["data"]] == ["small#1", "small#0"]


def test_the_commands_name_the_trial_and_the_limits(small: Database) -> None:
    found = compared(small.url, ["small#0"], {"params": 50_000.0})
    assert found is not None
    train, export, select = map(shlex.split, found.commands[0])
    assert train[1:3] == ["train", "small#0"]
    assert export[1:5] == ["export", "small#0", "--to", "onnx"]
    assert select[1:5] == ["select", "small", "--max", "params=50000"]
    assert found.common == []


@pytest.mark.parametrize(
    "wanted",
    [[], [3, None, {}], ["small"], ["#"], ["small#-1"], ["small#1; rm -rf /"]],
)
def test_keys_that_name_no_trial_are_no_comparison(small: Database, wanted: list[object]) -> None:
    assert compared(small.url, wanted) is None


def test_unknown_trials_are_named_and_too_many_are_counted(small: Database) -> None:
    keys = [f"small#{n}" for n in (0, 99, *range(200, 210))]
    found = compared(small.url, [*keys, "x\x1b#1"])
    assert found is not None
    assert found.keys == ["small#0"]
    assert found.unknown[0] == "small#99"
    assert found.left_out == len(keys) + 1 - MOST_COMPARED
    odd = compared(small.url, ["x\x1b#1"])
    assert odd is not None
    assert odd.unknown == ["x\\x1b#1"]


def test_the_best_within_limits_is_the_one_that_select_chooses(small: Database) -> None:
    live = load_live(small.url, "small")
    complete = live.trials.sort_values("psnr_y")
    assert best_inside(live, {}).key == f"small#{complete['number'].iloc[-1]}"
    cheapest = complete.sort_values("params").iloc[0]
    inside = best_inside(live, {"params": float(cheapest["params"])})
    assert inside.key == f"small#{cheapest['number']}"
    assert best_inside(live, {"params": 1.0}).key == ""
    steps = limit_steps(live)["params"]
    assert steps == sorted(steps)
    assert complete["params"].min() <= steps[0] < steps[-1] < complete["params"].max()


def test_limits_that_a_browser_invents_are_ignored(small: Database) -> None:
    live = load_live(small.url, "small")
    sent = {"params": 5e4, "multadds": "x", "label": 3, "psnr_y": 20}
    assert known_limits(live, sent) == {"params": 5e4}
    assert known_limits(live, [1]) == {}
    assert known_limits(live, {"params": float("nan")}) == {}
