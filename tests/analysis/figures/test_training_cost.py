import pandas as pd
import pytest

from analysis.figures.training_cost import draw_spend, every, fitting, hours, spend_unit


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["name: a\nresources: {gpu: 0.125}"], ("GPU-hours", 0.125)),
        (["name: a\nresources: {cpu: 2}", "resources: {cpu: 2}"], ("core-hours", 2.0)),
        (["name: a"], ("core-hours", 1.0)),
        (["resources: {gpu: 1}", "resources: {cpu: 2}"], ("hours", 1.0)),
        ([], ("hours", 1.0)),
        # numbers that only a foreign database holds
        (["resources: {cpu: x, gpu: [1]}"], ("core-hours", 1.0)),
        (["resources: {cpu: 1e999, gpu: {a: b}}"], ("core-hours", 1.0)),
        (["resources: {cpu: -1, gpu: .nan}"], ("core-hours", 1.0)),
        (["resources: [1]"], ("core-hours", 1.0)),
        (["{"], ("core-hours", 1.0)),
    ],
)
def test_an_hour_counts_as_what_a_trial_takes(texts: list[str], unit: tuple[str, float]) -> None:
    assert spend_unit(texts) == unit


def test_little_is_told_in_minutes_or_seconds() -> None:
    told = [hours(spent, "GPU-hours") for spent in (12.5, 0.5, 0.001)]
    assert told == ["12.50 GPU-hours", "30.0 GPU-minutes", "3.6 GPU-seconds"]


@pytest.mark.parametrize(
    ("spent", "unit", "shown"),
    [
        ([0.5, 2.0], "core-hours", [0.5, 2.0]),
        ([0.025, 0.5], "core-minutes", [1.5, 30.0]),
        ([0.001, 0.002], "core-seconds", [3.6, 7.2]),
        ([0.0], "core-hours", [0.0]),
    ],
)
def test_a_column_of_costs_has_the_unit_of_its_largest(
    spent: list[float], unit: str, shown: list[float]
) -> None:
    found, named = fitting(pd.Series(spent), "core-hours")
    assert named == unit
    assert found.tolist() == pytest.approx(shown)


def test_each_state_is_a_trace_of_its_own() -> None:
    trials = pd.DataFrame(
        {
            "sweep": ["first"] * 3,
            "number": [0, 1, 2],
            "state": ["complete", "failed", "running"],
            "label": ["a", "<b>", "c"],
            "spent": [2.0, 1.0, 0.0],
        }
    )
    figure = draw_spend(trials, "GPU-hours")
    assert {t["name"]: (t["x"], t["y"]) for t in figure["data"]} == {
        "complete": ([0], [2.0]),
        "failed": ([1], [1.0]),
    }
    assert figure["data"][1]["text"] == ["&lt;b&gt;"]


def test_every_kth_trial_keeps_within_the_most() -> None:
    assert [every(total, 2_000) for total in (0, 1, 2_000, 2_001, 100_000)] == [1, 1, 1, 2, 50]
