"""Tests the check of a space before anything is trained: whether it gets a table of costs, and of which costs."""

from pathlib import Path
from typing import Any

import pytest

from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import ConfigError, SweepConfig
from tests.sweeps.sweeps_for_tests import small_config

WIDE = {"edsr": {"n_feats": {"low": 2, "high": 40}, "n_blocks": {"low": 1, "high": 30}}}


def config(folder: Path, sampler: str = "random", **changes: Any) -> SweepConfig:
    return small_config(folder, families=WIDE, search={"sampler": sampler}, **changes)


def test_table_holds_the_whole_space_and_its_rows_are_feasible(tmp_path: Path) -> None:
    found = check_feasible(config(tmp_path, budget={"params": "20k"}))
    assert found.table is not None
    assert found.table.exact
    assert len(found.table) == 39 * 30
    params = found.table.costs["params"]
    assert 0 < len(found.rows) < len(params)
    assert params[found.rows].max() <= 20_000 < sorted(params)[len(found.rows)]


def test_space_without_limits_is_tabulated_for_the_search_alone(tmp_path: Path) -> None:
    assert check_feasible(config(tmp_path)).table is None
    assert check_feasible(config(tmp_path, "pareto")).table is not None


@pytest.fixture
def few_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("searchspace.table.space_table", "sweeps.config.feasibility"):
        monkeypatch.setattr(f"{module}.MAX_SPELLINGS", 1_000)
    monkeypatch.setattr("searchspace.table.space_table.MAX_SAMPLED", 300)


@pytest.mark.usefixtures("few_spellings")
def test_too_large_a_space_is_sampled_for_those_who_need_it(tmp_path: Path) -> None:
    limited = config(tmp_path, budget={"params": "1M"})
    assert check_feasible(limited).table is None
    for table in (
        check_feasible(limited, sample=True).table,
        check_feasible(config(tmp_path, "pareto")).table,
    ):
        assert table is not None
        assert not table.exact
        assert 200 < len(table) <= 300


@pytest.mark.usefixtures("few_spellings")
def test_nothing_feasible_in_a_sample_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no architecture among 2\d\d examined meets params <= 10"
    ):
        check_feasible(config(tmp_path, budget={"params": 10}), sample=True)


def test_what_nothing_meets_is_named_by_the_key_that_asks_for_it(tmp_path: Path) -> None:
    """Once, the message attributed a limit under `constraints` to `budget`, without the lowest cost."""
    with pytest.raises(ConfigError) as told:
        check_feasible(config(tmp_path, constraints=["params <= 10"]))
    assert str(told.value).startswith("metadata.sweep.constraints: no architecture")
    assert "lowest costs: params " in str(told.value)
    assert "; loosen the constraints, or add other" in str(told.value)
    with pytest.raises(
        ConfigError, match=r"sweep\.budget and constraints: .* raise the budget or l"
    ):
        check_feasible(config(tmp_path, budget={"params": 10}, constraints=["multadds <= 10"]))
