"""The sink for Optuna. It writes a study with the sweep's name. optuna-dashboard can show it while the sweep runs.

The study has the trials that `srsweep export-optuna` would write. Optuna can neither change a trial that has ended nor
add a choice to a parameter. Both are sometimes necessary: another seed changes a mean, or a knob takes a new value. The
study is then deleted and rebuilt. The sink deletes only studies that it made itself.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from searchspace.errors import UserError
from sweeps.measure.latency_objective import LATENCY, is_timing, key_of
from sweeps.records import TrialRow
from sweeps.sinks.optuna_trials import STATES, create_study, frozen_trials
from sweeps.sinks.sink import Subject

MARK = "srsweep"
"""The user attribute that marks the studies of this sink. Its value is the list of the study's objectives."""


class Optuna:
    """Keeps a study in an Optuna storage up to date."""

    def __init__(self, target: str, subject: Subject) -> None:
        """Opens the storage with the database URL `target`. Raises UserError if another study has the sweep's name."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would log each new study
        self.subject = subject
        self.storage = optuna.storages.RDBStorage(target)
        self.rows: dict[int, TrialRow] = {}
        self.study: optuna.Study | None = None
        names = {study.study_name for study in self.storage.get_all_studies()}
        if subject.name in names:
            self.study = optuna.load_study(study_name=subject.name, storage=self.storage)
            if MARK not in self.study.user_attrs:
                raise UserError(
                    f"the storage has a study {subject.name!r} that is not a copy of this sweep; name another storage"
                )

    def write(self, rows: Sequence[TrialRow]) -> None:
        """Adds the trials that have ended. Rebuilds the study if one of its trials or the objectives have changed."""
        self.rows |= {row.number: row for row in rows}
        if self.study is not None and not any(row.state in STATES for row in rows):
            return
        known = [self.rows[number] for number in sorted(self.rows)]
        objectives = self._objectives(known)
        wanted = {_key(trial): trial for trial in frozen_trials(known, objectives)}
        present = {} if self.study is None else {_key(t): t for t in self.study.get_trials()}
        changed = any(_content(t) != _content(wanted.get(key)) for key, t in present.items())
        if self.study is not None and (changed or self.study.user_attrs[MARK] != list(objectives)):
            optuna.delete_study(study_name=self.subject.name, storage=self.storage)
            self.study, present = None, {}
        if self.study is None:
            self.study = create_study(self.storage, self.subject.name, objectives)
            self.study.set_user_attr(MARK, list(objectives))
        self.study.add_trials([trial for key, trial in wanted.items() if key not in present])

    def _objectives(self, rows: Sequence[TrialRow]) -> dict[str, str]:
        """Returns the directions by objective.

        As soon as a trial has a latency, the objective `latency` gets the key of that latency as its name.
        """
        keys = (key_of(each) for row in rows for each in row.measurements if is_timing(each))
        latency = next(keys, LATENCY) if LATENCY in self.subject.objectives else LATENCY
        return {
            latency if name == LATENCY else name: way
            for name, way in self.subject.objectives.items()
        }

    def close(self) -> None:
        """Closes all connections to the storage."""
        self.storage.remove_session()
        self.storage.engine.dispose()


def _key(trial: FrozenTrial) -> Any:
    return trial.user_attrs["number"]


def _content(trial: FrozenTrial | None) -> object:
    """Returns the content of a trial in a form for comparisons, or None for no trial."""
    if trial is None:
        return None
    return (
        trial.state,
        trial.values or None,
        trial.params,
        trial.distributions,
        trial.intermediate_values,
        trial.user_attrs,
    )
