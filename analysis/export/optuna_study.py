"""Exports a sweep as an Optuna study, which optuna-dashboard and optuna.visualization can show."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna

from analysis.read.frames import load_sweeps
from analysis.read.rows import load_rows
from searchspace.errors import UserError
from sweeps.files import naming_full_disk, written_beside
from sweeps.sinks.optuna_trials import create_study, frozen_trials


def export_study(url: str, sweep: str, path: Path) -> int:
    """Writes `sweep` to the new SQLite file `path` as an Optuna study with the name of the sweep.

    Returns the number of trials in the study. `sweeps.sinks.optuna_trials` describes their content. Raises UserError if
    `path` exists.
    """
    if path.exists():
        raise UserError(f"-o: {path} exists already; name another file")
    objectives: dict[str, str] = load_sweeps(url, [sweep])["settings"].iloc[0]["objectives"]
    frozen = frozen_trials(load_rows(url, sweep), objectives)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with written_beside(path) as beside, naming_full_disk(path):
        beside.touch()  # SQLite would not say which file it cannot make, and why
        _write(frozen, sweep, objectives, beside)
    return len(frozen)


def _write(
    trials: Sequence[optuna.trial.FrozenTrial],
    sweep: str,
    objectives: Mapping[str, str],
    path: Path,
) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    create_study(storage, sweep, objectives).add_trials(trials)
    storage.remove_session()
    storage.engine.dispose()
