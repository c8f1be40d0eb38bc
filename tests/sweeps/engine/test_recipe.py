"""A sweep that searches settings of the training, with each sampler, killed and resumed."""

from pathlib import Path
from typing import Any

import pytest

from analysis.read.frames import load_knobs, load_trials
from searchspace.recipe import Recipe
from sweeps.config.sweep_config import SweepConfig
from sweeps.store.store import Store
from tests.cluster.rows import rows
from tests.sweeps.engine.test_seeds import HALVING, dies, opened, run
from tests.sweeps.sweeps_for_tests import small_config, start

RECIPE = {"learning_rate": [1e-3, 2e-3], "loss": ["l1", {"l1": 1, "fft": 0.05}]}


def config_of(folder: Path, **changes: Any) -> SweepConfig:
    folder.mkdir(exist_ok=True)
    search = {"sampler": "grid", "trials": 6, **changes.pop("search", {})}
    return small_config(folder, recipe=RECIPE, search=search, **changes)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("nsga2", "pareto")]


@pytest.mark.parametrize("sampler", ["grid", "tpe", *SLOW])
def test_a_killed_sweep_gives_the_same_rows(tmp_path: Path, sampler: str) -> None:
    whole, killed = (
        config_of(tmp_path / name, search={"sampler": sampler}) for name in ("whole", "killed")
    )
    run(whole)
    run(killed, kills=True)
    found = rows(whole.storage, "tiny")
    assert rows(killed.storage, "tiny") == found
    assert len({row[1] for row in found["trials"]}) == 6


def test_a_trial_is_trained_with_its_recipe_also_after_a_kill(tmp_path: Path) -> None:
    config = config_of(tmp_path, search={"halving": HALVING}, seeds=2)
    sweep = opened(config)
    begun = [start(sweep) for _ in range(4)]
    dies(sweep)
    sweep = opened(config)
    again = [start(sweep) for _ in range(4)]
    sweep.close()
    assert [segment.train for segment in again] == [segment.train for segment in begun]
    assert [(segment.train.learning_rate, segment.train.loss) for segment in begun] == [
        (1e-3, "l1"),
        (1e-3, {"fft": 0.05, "l1": 1}),
        (2e-3, "l1"),
        (2e-3, {"fft": 0.05, "l1": 1}),
    ]
    assert all(segment.knobs == begun[0].knobs for segment in begun)
    assert not any("train." in name for name in begun[0].knobs)


def test_further_seeds_keep_the_recipe_and_each_recipe_is_a_variant(tmp_path: Path) -> None:
    config = config_of(tmp_path, seeds=2)
    done = run(config)
    assert len(done.trials) == 12
    for number in range(0, 12, 2):
        first, second = done.trials[number], done.trials[number + 1]
        assert first.architecture.recipe == second.architecture.recipe != Recipe()
    frame = load_trials(config.storage)
    assert frame["architecture"].nunique() == frame["label"].nunique() == 6
    assert frame["training"].nunique() == 1
    knobs = load_knobs(config.storage)
    assert set(knobs["train.learning_rate"]) == {1e-3, 2e-3}


def test_values_may_be_added_when_a_sweep_resumes(tmp_path: Path) -> None:
    run(config_of(tmp_path))
    more = small_config(
        tmp_path,
        recipe=RECIPE | {"learning_rate": [1e-3, 2e-3, 4e-3]},
        search={"sampler": "grid", "trials": 8},
    )
    run(more)
    store = Store(more.storage)
    values = [row.knobs["train.learning_rate"] for row in store.trials(1)]
    store.close()
    assert values == [1e-3, 1e-3, 2e-3, 2e-3, 1e-3, 1e-3, 4e-3, 4e-3]
