"""Compares sweeps: fronts, hypervolumes, budgets, and what makes sweeps incomparable."""

import pytest

from analysis.choose.comparison import compare_sweeps, round_budgets
from searchspace.errors import UserError
from sweeps.store.schema import Sweep as SweepRow
from tests.stored import OBJECTIVES, Database


@pytest.fixture
def two(small: Database) -> Database:
    """`small`, and `rival`, which beats its trials 1 and 2 and lacks a cheap network."""
    sweep_id = small.sweep("rival")
    small.trial(sweep_id, 0, 27.2, 90_000, 4e9)
    small.trial(sweep_id, 1, 27.6, 400_000, 20e9)
    small.trial(sweep_id, 2, 26.9, 300_000, 9e9)  # dominated within its sweep
    return small


def test_fronts_stand_side_by_side_and_name_what_dominates_them(two: Database) -> None:
    found = compare_sweeps(two.url, ["small", "rival"])
    table = found.fronts
    networks = [f"{s}#{n}" for s, n in zip(table["sweep"], table["number"], strict=True)]
    assert networks == ["small#0", "rival#0", "small#1", "rival#1", "small#2"]
    assert table["dominated_by"].tolist() == ["", "", "rival#0", "", "rival#1"]
    summary = found.summary.set_index("sweep")
    assert summary["front"].to_dict() == {"small": 3, "rival": 2}
    assert summary["dominated"].to_dict() == {"small": 2, "rival": 0}
    assert summary["complete"].to_dict() == {"small": 4, "rival": 3}
    assert summary["seconds"].to_dict() == {"small": 540.0, "rival": 270.0}
    assert found.settings.empty
    assert found.notes == []


def test_the_volume_is_the_share_of_all_fronts_together(two: Database) -> None:
    ways = {"psnr_y": "maximize", "params": "minimize"}
    found = compare_sweeps(two.url, ["small", "rival"], ways)  # type: ignore[arg-type]
    # The corner is 26 dB at 500,000 parameters; areas in dB times log10 of parameters.
    from math import log10

    def width(params: float) -> float:
        return log10(500_000 / params)

    small = 1.0 * width(100_000)
    rival = 1.2 * width(90_000) + 0.4 * width(400_000)
    assert found.summary["volume"].tolist() == pytest.approx([small / rival, 1.0], abs=1e-6)


def test_the_best_within_each_budget_is_named(two: Database) -> None:
    found = compare_sweeps(two.url, ["small", "rival"], budgets=[20_000, 100_000, 1e6])
    rows = found.budgets.fillna(-1).to_dict("records")
    assert [row["small"] for row in rows] == [26.0, 27.0, 27.5]
    assert [row["rival"] for row in rows] == [-1, 27.2, 27.6]
    assert [row["best"] for row in rows] == ["small", "rival", "rival"]
    assert {row["cost"] for row in rows} == {"params"}
    assert compare_sweeps(two.url, ["small", "rival"]).budgets["budget"].tolist() == [
        10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    ]  # fmt: skip


def test_round_budgets_end_above_the_dearest_network() -> None:
    assert round_budgets(3, 9) == [5, 10]
    assert round_budgets(7, 7) == [10]
    assert len(round_budgets(1, 1e9)) == 8


def test_equal_networks_dominate_each_other_not(database: Database) -> None:
    for name in ("a", "b"):
        database.trial(database.sweep(name), 0, 26.0, 1e4, 1e9)
    found = compare_sweeps(database.url, ["a", "b"])
    assert found.fronts["dominated_by"].tolist() == ["", ""]
    assert set(found.budgets["best"]) == {"equal"}


def test_settings_that_differ_are_listed_with_a_note(database: Database) -> None:
    for name, steps in (("short", 100), ("long", 200)):
        sweep_id = database.sweep(name, data_fingerprint=f"of {name}")
        database.trial(sweep_id, 0, 26.0, 1e4, 1e9)
        train = {"seed": 7, "objectives": OBJECTIVES, "train": {"steps": steps}}
        database.store.transaction(
            lambda session, i=sweep_id, t=train: setattr(session.get(SweepRow, i), "settings", t)  # type: ignore[misc]
        )
    found = compare_sweeps(database.url, ["short", "long"])
    assert found.settings.to_dict("records") == [
        {"setting": "train.steps", "short": "100", "long": "200"},
        {"setting": "images", "short": "of short", "long": "of long"},
    ]
    assert found.notes[0].startswith("the sweeps trained differently")


@pytest.mark.parametrize(
    ("scale", "facts", "fault"),
    [
        (2, {}, "must have the same scale, because PSNR cannot be compared otherwise, got small 4"),
        (4, {"validation_bicubic_psnr_y": "26.5"}, "same validation images, .*rival 26.5 dB"),
        (4, {}, "rival has no complete trial"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    small: Database, scale: int, facts: dict[str, str], fault: str
) -> None:
    small.sweep("rival", scale, **facts)
    with pytest.raises(UserError, match=fault):
        compare_sweeps(small.url, ["small", "rival"])
    with pytest.raises(UserError, match="two or more different ones must be named"):
        compare_sweeps(small.url, ["small", "small"])
