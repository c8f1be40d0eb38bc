"""Spaces and costs of Optuna studies: what is refused, continuous spaces, tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from searchspace.errors import UserError
from sweeps.search.pareto.optuna_adapter import ParetoSampler
from tests.sweeps.search.pareto.toy_study import OBJECTIVES, sampler, study_of, suggested


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {"size": "minimize"}}, "so there is nothing to learn"),
        ({"objectives": {"accuracy": "up", "size": "minimize"}}, "accuracy must be 'minimize'"),
        ({"objectives": {"accuracy": "maximize", "size": "maximize"}}, "must be minimized"),
        ({"floors": {"acuracy": 0.5}}, "floors: acuracy is no objective"),
        (
            {"costs": lambda params: {"size": 0.0}},
            "cost size: every configuration needs a positive",
        ),
        ({"constraints": lambda params, counted: False}, "no configuration of the space meets"),
        ({"costs": {"size": [1.0]}}, "a table needs a space that maps"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sampler(**changes)


def line(trial: BaseTrial) -> None:
    """A continuous space with a condition."""
    trial.suggest_float("rate", 1e-3, 1.0, log=True)
    if trial.suggest_categorical("deep", [False, True]):
        trial.suggest_int("layers", 2, 1000, log=True)


def line_costs(params: Mapping[str, Any]) -> dict[str, float]:
    return {"size": float(params.get("layers", 1))}


def line_objective(trial: optuna.Trial) -> tuple[float, ...]:
    line(trial)
    loss = np.log10(trial.params["rate"] / 0.03) ** 2 + 1 / line_costs(trial.params)["size"]
    return float(loss), line_costs(trial.params)["size"]


def line_sampler() -> ParetoSampler:
    return ParetoSampler(
        line,
        objectives={"loss": "minimize", "size": "minimize"},
        costs=line_costs,
        constraints=lambda params, counted: counted["size"] != 5,
        trials=24,
        candidates=60,
    )


def test_a_continuous_space_is_searched_and_a_study_goes_on_as_if_not_interrupted(
    tmp_path: Path,
) -> None:
    whole = optuna.create_study(directions=["minimize"] * 2, sampler=line_sampler())
    whole.optimize(line_objective, n_trials=24)
    late = [abs(np.log10(t.params["rate"] / 0.03)) for t in whole.trials[12:]]
    assert np.median(late) < 0.2  # of a range of 3
    stored = f"sqlite:///{tmp_path / 'study.db'}"
    for count in (7, 3):
        study = optuna.create_study(
            directions=["minimize"] * 2,
            sampler=line_sampler(),
            storage=stored,
            study_name="a",
            load_if_exists=True,
        )
        study.optimize(line_objective, n_trials=count)
    assert suggested(study) == suggested(whole)[:10]


def test_without_exact_objectives_costs_may_still_limit_the_search() -> None:
    own = ParetoSampler(
        line,
        objectives={"loss": "minimize"},
        costs=line_costs,
        constraints=lambda params, counted: counted["size"] <= 10,
        trials=16,
        candidates=60,
    )
    study = optuna.create_study(sampler=own)
    study.optimize(lambda trial: line_objective(trial)[0], n_trials=16)
    assert all(trial.params.get("layers", 1) <= 10 for trial in study.trials)
    assert study.best_value < 0.2


def test_a_table_of_costs_says_which_configurations_exist() -> None:
    knobs = {
        "width": IntDistribution(1, 100),
        "kind": CategoricalDistribution(["a", "b"]),
        "rate": FloatDistribution(0.0, 1.0),
    }
    table = {
        "width": [1, 2, 3, 50],
        "kind": ["a", "b", "a", "b"],
        "rate": [0.1, float("nan"), 0.3, 0.4],
        "size": [5.0, 6.0, 7.0, 8.0],
    }
    own = ParetoSampler(knobs, objectives=OBJECTIVES, costs=table)
    study = study_of(own)

    def from_table(trial: optuna.Trial) -> tuple[float, ...]:
        width = trial.suggest_int("width", 1, 100)
        trial.suggest_categorical("kind", ["a", "b"])
        if width != 2:
            trial.suggest_float("rate", 0.0, 1.0)
        return width / 50, table["size"][[1, 2, 3, 50].index(width)]  # type: ignore[return-value]

    study.optimize(from_table, n_trials=9)
    assert sorted(trial.params["width"] for trial in study.trials if trial.params) == [1, 2, 3, 50]
    for column, message in [("kind", "lacks a column for kind"), ("width", "width is 101 in the")]:
        wrong = {k: v for k, v in table.items() if k != column}
        if column == "width":
            wrong["width"] = [1, 2, 3, 101]
        with pytest.raises(UserError, match=message):
            ParetoSampler(knobs, objectives=OBJECTIVES, costs=wrong)
