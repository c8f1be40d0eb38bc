"""Measures how much each knob matters for being among the best trials, by PED-ANOVA as Optuna implements it.

PED-ANOVA (Watanabe, Bansal, Hutter: "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces", IJCAI 2023) compares the values of a knob among the best tenth of the trials with its values among all
trials. The more they differ, the more the knob matters. It needs no model of the PSNR.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.choose.pareto import Direction

LEAST_TRIALS = 20
"""Minimum number of trials of a family. With fewer, the best tenth is too small to be meaningful."""
MOST_TRIALS = 500
"""Maximum number of trials that are used for each family. A larger family is sampled at random, so that a page does not
wait."""


def importances(
    trials: pd.DataFrame, knobs: pd.DataFrame, targets: Mapping[str, Direction]
) -> pd.DataFrame:
    """Returns the importance of each knob for each of the `targets`: family, knob, target, share.

    `trials` are complete trials with the columns id, family and the targets. `knobs` has one row per trial, indexed by
    id, and one column of texts per knob. share is the importance of the knob divided by that of all knobs for the same
    target, from 0 to 1. Each family is measured on its own, because families have different knobs. Families with fewer
    than LEAST_TRIALS trials, knobs that do not vary and targets that do not vary are left out.
    """
    rows = []
    for family, every in trials.groupby("family"):
        own = every.sample(min(len(every), MOST_TRIALS), random_state=0)
        values = knobs.reindex(own["id"])
        varying = [str(name) for name in values if values[name].nunique(dropna=False) > 1]
        if len(own) < LEAST_TRIALS or not varying:
            continue
        study = _study(values[varying])
        for target, direction in targets.items():
            if own[target].count() < LEAST_TRIALS or own[target].nunique() < 2:
                continue
            sign = -1.0 if direction == "maximize" else 1.0
            losses = (sign * own[target]).fillna(float("inf")).tolist()
            rows += [
                {"family": family, "knob": knob, "target": target, "share": share}
                for knob, share in _importance(study, losses).items()
            ]
    return pd.DataFrame(rows, columns=["family", "knob", "target", "share"])


def _study(values: pd.DataFrame) -> Any:
    """Returns an Optuna study in memory with one trial for each row of `values`."""
    import optuna  # takes a second, and few pages need it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    domains: dict[str, Any] = {
        str(name): optuna.distributions.CategoricalDistribution(sorted(set(values[name])))
        for name in values
    }
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()} for row in values.to_dict("records")
    ]
    study = optuna.create_study()
    study.add_trials(
        [optuna.trial.create_trial(params=r, distributions=domains, value=0.0) for r in rows]
    )
    return study


def _importance(study: Any, losses: Sequence[float]) -> dict[str, float]:
    import optuna

    with warnings.catch_warnings():
        # Optuna warns that the evaluator is experimental and that the target is minimised. Both are intended.
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(
            optuna.importance.get_param_importances(
                study, evaluator=evaluator, target=lambda trial: losses[trial.number]
            )
        )
