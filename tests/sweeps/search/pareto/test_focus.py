"""`search.focus`: the hypervolume counts only in the ranges of costs that the person has named."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searchspace.architecture import Architecture
from searchspace.errors import UserError
from searchspace.quantity import parse_span
from searchspace.table.space_table import SpaceTable
from sweeps.config.feasibility import check_feasible, focus_words
from sweeps.config.sweep_config import ConfigError, SweepConfig
from sweeps.search.pareto import search as search_module
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.expected_improvement import Budgets
from sweeps.search.pareto.focus import Focus
from sweeps.search.pareto.front import Front, budgets_of
from sweeps.search.pareto.search import ParetoSearch
from tests.sweeps.search.pareto.test_search import closeness, small_space, train
from tests.sweeps.sweeps_for_tests import small_config

PARAMS = {"params": (1_500.0, 4_000.0)}


@cache
def table() -> SpaceTable:
    return SpaceTable(small_space(), 2)


def search(
    focus: Mapping[str, tuple[float, float]], minimized: Sequence[str] = ("params", "multadds")
) -> ParetoSearch[Architecture]:
    candidates = Architectures(
        small_space(),
        constraints=(),
        scale=2,
        minimized=minimized,
        seed=0,
        table=table(),
        focus=focus,
    )
    return ParetoSearch(candidates, seed=0, trials=20, steps=100)


def costs_of(cost: str, architectures: Sequence[Architecture]) -> list[int]:
    rows = [table().row(each) for each in architectures]
    return [int(table().costs[cost][row]) for row in rows]


def test_the_gain_is_the_volume_that_a_candidate_adds_within_the_focus() -> None:
    costs, psnr = np.array([[0.1, 0.4], [0.5, 0.2], [0.9, 0.9]]), np.array([30.0, 31.0, 34.0])
    focus = Focus(np.array([0.3, 0.0]), np.array([0.8, 1.0]))
    budgets = Budgets(costs, psnr, 29.0, focus)
    candidates = np.array([[0.05, 0.1], [0.4, 0.3], [0.8, 0.8], [0.85, 0.1]])
    certain = np.full(4, 1e-6)
    gains = budgets.expected_gain(candidates, np.repeat(closeness(32.0), 4), certain, top=35.0)
    u, v = np.meshgrid(*[np.linspace(0, 1.02, 1021)[:-1] + 0.0005] * 2, indexing="ij")
    best = np.full_like(u, 29.0)
    for (a, b), height in zip(costs, psnr, strict=True):
        best = np.where((a <= u) & (b <= v), np.maximum(best, height), best)
    counts = (u >= 0.3) & (u <= 0.81)  # a fiftieth of the width beyond the upper end
    added = [
        np.where((a <= u) & (b <= v) & counts, np.maximum(32 - best, 0), 0).sum() * 1e-6
        for a, b in candidates
    ]
    assert gains == pytest.approx(added, abs=5e-3)
    assert added[3] == 0 < added[2] < added[1] < added[0]
    assert budgets.volume == pytest.approx(((best - 29) * counts).sum() * 1e-6, abs=5e-3)


def test_a_second_uncertain_objective_counts_everywhere() -> None:
    front = Front(
        costs=np.array([[0.1], [0.6]]),
        scores=np.array([[30.0, 5.0], [32.0, 4.0]]),
        floors=[28.0, 1.0],
    )
    whole = budgets_of(front, [34.0, 6.0])
    lower, upper = (
        budgets_of(front, [34.0, 6.0], Focus(np.array([low]), np.array([high])))
        for low, high in [(0.0, 0.5), (0.5, 1.0)]
    )
    # Each part reaches a fiftieth of its width beyond its upper end.
    assert lower.volume + upper.volume == pytest.approx(whole.volume, rel=0.03)
    assert min(lower.volume, upper.volume) > 0.1 * whole.volume


def test_after_the_first_suggestions_nothing_beyond_the_focus_is_trained() -> None:
    told, without = (costs_of("params", train(search(focus), 16)) for focus in (PARAMS, {}))
    assert told[:4] == without[:4]  # far apart, so that the model learns
    assert max(told[4:]) <= 4_000 < max(without[4:])
    inside = [sum(1_500 <= each <= 4_000 for each in found[4:]) for found in (told, without)]
    assert inside[0] > inside[1]


def test_all_others_are_suggested_once_all_that_can_help_are_tried() -> None:
    searched = search({"params": (800.0, 1_300.0)})
    suggested = costs_of("params", train(searched, 36))
    helpful = {each for each in table().costs["params"].tolist() if each <= 1_300}
    assert set(suggested[: 4 + len(helpful)]) >= helpful
    assert len(set(suggested)) == len(table())
    assert searched.gain == 0
    assert searched.ask(36) is None


def test_a_cost_that_is_no_objective_can_be_focused_on() -> None:
    searched = search({"activations": (8e6, 2e7)}, minimized=["params"])
    assert searched.candidates.costs(np.array([0, 1])).shape == (2, 2)
    activations = costs_of("activations", train(searched, 10))
    assert max(activations[4:]) <= 2e7


def test_a_range_that_holds_a_single_network_has_a_gain() -> None:
    largest = int(table().costs["params"].max())
    searched = search({"params": (largest - 1.0, 1e9)})
    train(searched, 8)
    assert 0 < searched.gain < 1


def test_half_of_a_sample_of_a_large_space_lies_in_the_focus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search_module, "MAX_CANDIDATES", 16)
    searched = search({"params": (9_000.0, 13_000.0)})
    left = searched.candidates.feasible
    some = searched._some(left, np.random.default_rng(0))
    counted = table().costs["params"][some]
    inside = np.isin(table().costs["params"][left], [9_819, 10_800, 11_127, 12_435])
    assert inside.sum() == 4
    assert (counted >= 9_000).sum() >= 3


def test_ranges_that_hold_no_network_are_refused_in_one_line() -> None:
    with pytest.raises(UserError) as error:
        _ = search({"params": (1e6, 2e6), "multadds": (0.0, 1e12)}).candidates.focus
    assert str(error.value) == (
        "search.focus: must hold an architecture within the budget, but none has params from 1M to 2M and multadds "
        "from 0 to 1T; they have params from 815 to 15.05K and multadds from 223.9M to 3.658G"
    )


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("50k..150k", (50_000, 150_000)),
        (" 1e3 .. 1_500 ", (1_000, 1_500)),
        ("0...5", (0, 0.5)),
        ({"low": "50k", "high": 150_000}, (50_000, 150_000)),
    ],
)
def test_a_range_is_written_as_text_or_with_both_ends(
    written: object, ends: tuple[float, float]
) -> None:
    assert parse_span(written) == ends


@pytest.mark.parametrize(
    "written",
    ["150k", "150k..50k", "50k..50k", "..150k", "-1..2", "1..2..3", 5, [1, 2], {"low": 1}],
)
def test_what_is_no_range_is_refused(written: object) -> None:
    with pytest.raises(UserError):
        parse_span(written)


def config(folder: Path, sampler: str = "pareto", **focus: Any) -> SweepConfig:
    return small_config(folder, search={"sampler": sampler, "focus": focus})


def test_a_sweep_file_may_name_a_focus(tmp_path: Path) -> None:
    told = config(tmp_path, params="500..1k", activations={"low": "1M", "high": "1G"})
    assert told.search.ranges == {"params": (500, 1_000), "activations": (1e6, 1e9)}
    assert told.search.model_validate(told.search.model_dump()) == told.search


@pytest.mark.parametrize(
    ("sampler", "focus", "line"),
    [
        (
            "tpe",
            {"params": "500..1k"},
            "search.focus: needs sampler: pareto, which knows the costs",
        ),
        (
            "pareto",
            {"param": "500..1k"},
            "search.focus.param: must be an exact cost; did you mean params",
        ),
        ("pareto", {"memory": "500..1k"}, "search.focus.memory: must be an exact cost; known: "),
        (
            "pareto",
            {"predicted_latency": "5..9"},
            "search.focus.predicted_latency: predicted_latency needs `device",
        ),
        ("pareto", {"params": "1k"}, "search.focus.params: must be a range such as 50k..150k or"),
    ],
)
def test_a_focus_that_cannot_be_had_is_refused_in_one_line(
    tmp_path: Path, sampler: str, focus: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as error:
        config(tmp_path, sampler, **focus)
    (told,) = str(error.value).splitlines()
    assert line in told


def test_check_says_how_many_networks_a_focus_holds(tmp_path: Path) -> None:
    told = config(tmp_path, params="1..1M")
    words = {"focus": "params 1 to 1M: 100.0% of the feasible networks"}
    assert focus_words(told, check_feasible(told)) == words
    assert focus_words(config(tmp_path), check_feasible(told)) == {}


def test_check_refuses_a_focus_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^metadata.sweep.search.focus: must hold an archi"):
        check_feasible(config(tmp_path, params="1M..2M"))
