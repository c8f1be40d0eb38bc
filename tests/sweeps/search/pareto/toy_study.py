"""An Optuna study that has nothing to do with super-resolution, for the tests of our sampler."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import BaseTrial

from sweeps.search.pareto.optuna_adapter import ParetoSampler

OBJECTIVES: dict[str, Any] = {"accuracy": "maximize", "size": "minimize"}


def space(trial: BaseTrial) -> None:
    """A space with a condition: 4 linear models and 4 * 3 * 2 trees, 2 * 2 of which do not exist."""
    trial.suggest_categorical("width", [8, 16, 32, 64])
    if trial.suggest_categorical("kind", ["linear", "tree"]) == "tree":
        depth = trial.suggest_int("depth", 1, 3)
        if trial.suggest_categorical("rule", ["gini", "entropy"]) == "gini" and depth == 3:
            raise optuna.TrialPruned


def costs(params: Mapping[str, Any]) -> dict[str, float]:
    return {
        "size": params["width"] * (1 + params.get("depth", 0)),
        "depth": params.get("depth", 0.5),
    }


def accuracy(params: Mapping[str, Any]) -> float:
    """An invented accuracy that grows with the size and dislikes one rule."""
    good = 1 - 2 / costs(params)["size"] - 0.3 * (params.get("rule") == "gini")
    return good + 0.02 * params.get("depth", 0)


def objective(trial: optuna.Trial) -> tuple[float, ...]:
    space(trial)
    return accuracy(trial.params), costs(trial.params)["size"]


def sampler(**changes: Any) -> ParetoSampler:
    return ParetoSampler(
        space, **{"objectives": OBJECTIVES, "costs": costs, "trials": 20} | changes
    )


def study_of(own: BaseSampler, **settings: Any) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"], sampler=own, **settings)


def suggested(study: optuna.Study) -> list[str]:
    return [str(sorted(trial.params.items())) for trial in study.trials if trial.params]
