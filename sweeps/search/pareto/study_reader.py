"""Reads each trial of an Optuna study until it has finished, and keeps the results of each configuration."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from optuna import Study
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from sweeps.search.pareto.surrogate import Floats
from sweeps.search.pareto.walk import Point, point

CHOSEN = "pareto:chosen"
"""Name of the system attribute in which other processes find the configuration of a running trial."""


@dataclass
class Results:
    """The results of one configuration in a study."""

    scores: list[Floats] = field(default_factory=list)
    """The scores (objectives to learn,) of the complete trials."""
    pruned: bool = False
    failed: bool = False
    running: int = 0
    """Number of running trials."""

    @property
    def mean(self) -> Floats:
        """(objectives,): the mean of the scores."""
        return np.stack(self.scores).mean(0)

    @property
    def variance(self) -> Floats:
        """(objectives,): the sample variance of the scores. 0 if there is only one score."""
        together = np.stack(self.scores)
        return together.var(0, ddof=1) if len(together) > 1 else np.zeros(together.shape[1])


class StudyReader:
    """Reads the trials of one study at a time."""

    def __init__(
        self,
        row_of: Callable[[Point], int | None],
        scores_of: Callable[[int, int, Sequence[float]], Floats],
    ) -> None:
        """`row_of` returns the row of a configuration, or None if it is outside the space.

        `scores_of` turns the number, the row and the values of a trial into scores. It may raise an error for wrong
        values.
        """
        self.row_of, self.scores_of = row_of, scores_of
        self.results: dict[int, Results] = {}
        """Maps each row to the results of its trials."""
        self._study = ""
        self._first = 0
        """All trials with a smaller number have finished and were read."""
        self._finished: set[int] = set()
        """Numbers of all other trials that have finished and were read."""

    def read(self, study: Study, chosen: Mapping[int, Point]) -> None:
        """Reads the trials that have changed since the last call.

        `chosen` maps the number of each running trial of this process to its configuration. If `study` is not the study
        of the last call, all earlier results are dropped.
        """
        if study.study_name != self._study:
            self._study, self._first = study.study_name, 0
            self._finished.clear()
            self.results.clear()
        for known in self.results.values():
            known.running = 0
        for trial in study.get_trials(deepcopy=False)[self._first :]:
            if trial.number not in self._finished:
                self._take(trial, chosen.get(trial.number))
        while self._first in self._finished:
            self._finished.remove(self._first)
            self._first += 1
        for row in [row for row, known in self.results.items() if known == Results()]:
            del self.results[row]  # its trial has turned out to train another configuration

    def _take(self, trial: FrozenTrial, chosen: Point | None) -> None:
        if trial.state.is_finished():
            row = self.row_of(point(trial.params, trial.distributions))
            self._finished.add(trial.number)
            if row is not None:
                self._learn(trial, row)
            return
        if chosen is None and CHOSEN in trial.system_attrs:
            chosen = loads(trial.system_attrs[CHOSEN])
        row = None if chosen is None else self.row_of(chosen)
        if row is not None:
            self.results.setdefault(row, Results()).running += 1

    def _learn(self, trial: FrozenTrial, row: int) -> None:
        known = self.results.setdefault(row, Results())
        if trial.state == TrialState.COMPLETE:
            scores = self.scores_of(trial.number, row, trial.values)
            if np.isfinite(scores).all():
                known.scores.append(scores)
            else:
                known.failed = True
        known.pruned |= trial.state == TrialState.PRUNED
        known.failed |= trial.state == TrialState.FAIL


def dumps(chosen: Point) -> str:
    """Returns a configuration as text for the system attribute CHOSEN."""
    of = chosen.distributions
    return json.dumps({n: [distribution_to_json(of[n]), v] for n, v in chosen.values.items()})


def loads(text: str) -> Point:
    """Returns the configuration that `dumps` wrote."""
    stored = json.loads(text)
    return Point(
        {name: value for name, (_, value) in stored.items()},
        {name: json_to_distribution(of) for name, (of, _) in stored.items()},
    )
