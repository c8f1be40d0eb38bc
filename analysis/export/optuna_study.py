"""Exports a sweep as an Optuna study, which optuna-dashboard and optuna.visualization can show."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pandas as pd

from analysis.choose.means import averaged
from analysis.read.frames import load_curves, load_knobs, load_sweeps, load_trials
from searchspace.cost import COSTS
from searchspace.errors import UserError
from sweeps.files import naming_full_disk, written_beside

STATES = {
    "complete": optuna.trial.TrialState.COMPLETE,
    "stopped": optuna.trial.TrialState.PRUNED,
    "failed": optuna.trial.TrialState.FAIL,
}
"""Optuna's name for each state in which a trial has ended."""


def export_study(url: str, sweep: str, path: Path) -> int:
    """Writes `sweep` to the new SQLite file `path` as an Optuna study with the name of the sweep.

    Returns the number of trials in the study. An architecture that was trained with several seeds is one trial with its
    means, and its trials that failed are left out. The values of a trial are the sweep's objectives. The parameters of a
    trial are the knobs whose values differ between trials. Costs and other facts become user attributes. Running and
    paused trials are left out. Raises UserError if `path` exists.
    """
    if path.exists():
        raise UserError(f"-o: {path} exists already; name another file")
    settings = load_sweeps(url, [sweep])["settings"].iloc[0]
    objectives: dict[str, str] = settings["objectives"]
    trials = load_trials(url, [sweep])
    trials = averaged(trials[trials["state"].isin(list(STATES))])
    finished = trials.loc[trials["state"] == "complete", "architecture"]
    trials = trials[(trials["state"] == "complete") | ~trials["architecture"].isin(finished)]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    frozen = _frozen(trials, load_knobs(url, [sweep]), list(objectives), url, sweep)
    with written_beside(path) as beside, naming_full_disk(path):
        beside.touch()  # SQLite would not say which file it cannot make, and why
        _write(frozen, sweep, objectives, beside)
    return len(trials)


def _write(
    trials: list[optuna.trial.FrozenTrial], sweep: str, objectives: Mapping[str, str], path: Path
) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    study = optuna.create_study(
        study_name=sweep, storage=storage, directions=list(objectives.values())
    )
    with warnings.catch_warnings():
        # Optuna calls names of objectives experimental. Without names its dashboard shows indices.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(objectives))
    study.add_trials(trials)
    storage.remove_session()
    storage.engine.dispose()


def _frozen(
    trials: pd.DataFrame, knobs: pd.DataFrame, objectives: Sequence[str], url: str, sweep: str
) -> list[optuna.trial.FrozenTrial]:
    choices = {str(name): _choices(knobs[name]) for name in knobs}
    domains = {
        name: optuna.distributions.CategoricalDistribution(values)
        for name, values in choices.items()
        if len(values) > 1
    }
    curves = {}
    if len(objectives) == 1:
        curves = {
            trial_id: dict(zip(own["step"].tolist(), own["value"].tolist(), strict=True))
            for trial_id, own in load_curves(url, [sweep]).groupby("id")
        }
    rows: dict[Any, dict[str, Any]] = {
        trial_id: {str(name): value for name, value in own.items()}
        for trial_id, own in zip(knobs.index, knobs.to_dict("records"), strict=True)
    }
    frozen = []
    for row in trials.to_dict("records"):
        own = rows.get(row["id"], {})
        parameters = {name: _plain(own[name]) for name in domains if _known(own.get(name))}
        values = [float(row.get(name, float("nan"))) for name in objectives]
        complete = row["state"] == "complete" and not any(pd.isna(v) for v in values)
        state = STATES[row["state"]] if complete or row["state"] != "complete" else STATES["failed"]
        frozen.append(
            optuna.trial.create_trial(
                state=state,
                values=values if complete else None,
                params=parameters,
                distributions={name: domains[name] for name in parameters},
                intermediate_values=curves.get(row["id"], {}),
                user_attrs=_attributes(row),
            )
        )
    return frozen


def _attributes(row: dict[Any, Any]) -> dict[str, Any]:
    names = ("number", "family", "label", "architecture", "seed", "step", "seconds", "error")
    found = {name: row[name] for name in names if row.get(name) not in (None, "")}
    measured = (*COSTS, "num_seeds", "psnr_spread", "ssim_spread")
    costs = {name: row[name] for name in measured if name in row and not pd.isna(row[name])}
    return found | costs | {"psnr_y": None if pd.isna(row["psnr_y"]) else row["psnr_y"]}


def _known(value: Any) -> bool:
    return isinstance(value, list | dict) or not pd.isna(value)


def _choices(column: "pd.Series[Any]") -> list[Any]:
    """Returns the distinct values of a knob, sorted. Lists and mappings become text, because Optuna cannot store them."""
    values = [_plain(v) for v in column if _known(v)]
    distinct = list(dict.fromkeys(values))
    numeric = all(isinstance(v, int | float) for v in distinct)
    return sorted(distinct) if numeric else sorted(distinct, key=str)


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict):
        return str(value)
    return value.item() if hasattr(value, "item") else value
