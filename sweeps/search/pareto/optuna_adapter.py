"""`sampler: pareto` for any Optuna study. The costs are computed exactly, so the model predicts only the other objectives.

    def space(trial):
        width = trial.suggest_int("width", 4, 64, log=True)
        kind = trial.suggest_categorical("kind", ["plain", "gated"])
        ...

    def costs(params):
        return {"weights": params["width"] ** 2}

    sampler = ParetoSampler(space, objectives={"accuracy": "maximize", "weights": "minimize"}, costs=costs)
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)

    def objective(trial):
        space(trial)
        return train_and_measure(trial.params), costs(trial.params)["weights"]

    study.optimize(objective, n_trials=50)

The sampler suggests each configuration at most `repeats` times, and only configurations that meet the constraints. When
it has suggested all configurations, the study stops. The sampler reads the trials from the study, so a stored study can
be continued. Several threads (`n_jobs`) can share a sampler. Processes that share a study see each other's running
trials. Two processes that ask at the same moment may get the same configuration.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from searchspace.errors import UserError
from sweeps.search.pareto.candidates import Candidates
from sweeps.search.pareto.points import Allowed, CostFunction
from sweeps.search.pareto.search import ParetoSearch
from sweeps.search.pareto.space_of_study import candidates_of
from sweeps.search.pareto.study_reader import CHOSEN, Results, StudyReader, dumps
from sweeps.search.pareto.surrogate import Floats
from sweeps.search.pareto.trials import Known
from sweeps.search.pareto.walk import Point, Space, point

Direction = Literal["minimize", "maximize"]
FULL = 1
"""The step at which the search records every score. One step is enough, because Optuna does not accept intermediate
values in a study with several objectives."""


class ParetoSampler(optuna.samplers.BaseSampler):  # type: ignore[misc]
    """Suggests configurations to an Optuna study in which some objectives are known before a trial."""

    def __init__(
        self,
        space: Space | Mapping[str, BaseDistribution],
        *,
        objectives: Mapping[str, Direction],
        costs: CostFunction | Mapping[str, Iterable[object]] | None = None,
        constraints: Allowed | None = None,
        trials: int = 100,
        repeats: int = 1,
        floors: Mapping[str, float] | None = None,
        log_costs: bool = True,
        max_listed: int = 20_000,
        candidates: int = 1_000,
        seed: int = 0,
    ) -> None:
        """Prepares a search.

        - `space` is a function that asks a trial for all parameters (`trial.suggest_*`). It may ask for some of them
          conditionally, and may raise optuna.TrialPruned for a combination that does not exist. A space without
          conditions may also be a mapping from names to distributions.
        - `objectives` maps the names of the objectives to 'minimize' or 'maximize', in the order of the study.
        - `costs` returns the exact costs by name for the parameters of a configuration. An objective with the name of a
          cost is not learnt and must be minimized. The other costs help the model, and `constraints` may use them. If
          `space` is a mapping, `costs` may be a table: one column per parameter and per cost. Its rows are then the
          only configurations.
        - `constraints` returns whether a configuration with these parameters and costs may be suggested.
        - `trials` is roughly the number of trials that the study will run.
        - `repeats` is the number of trials of each configuration, for noisy objectives. The model learns the means.
        - `floors` maps objectives to the value that a configuration must exceed to have any value.
        - `log_costs` is whether costs are compared on a logarithmic scale.
        - Spaces of up to `max_listed` configurations are listed. In a larger space, each suggestion compares
          `candidates` random configurations and up to the same number of neighbours of good ones, and it calls `costs`
          for each of them.

        Raises UserError if the arguments are not valid together.
        """
        found = candidates_of(
            space,
            costs,
            objectives=tuple(objectives),
            allowed=constraints,
            log_costs=log_costs,
            max_listed=max_listed,
            size=candidates,
            seed=seed,
        )
        self._prepare(found, found.scale.names, objectives, trials, repeats, floors or {}, seed)

    def _prepare(
        self,
        candidates: Candidates[Point],
        costs: Iterable[str],
        objectives: Mapping[str, Direction],
        trials: int,
        repeats: int,
        floors: Mapping[str, float],
        seed: int,
    ) -> None:
        """Sets up the search among `candidates`. `costs` are the names of their exact costs."""
        costs = tuple(costs)
        _check_objectives(objectives, costs, floors)
        self.objectives, self.repeats = dict(objectives), max(1, repeats)
        self._exact = [(i, name) for i, name in enumerate(objectives) if name in costs]
        self._learnt = [
            (i, -1.0 if direction == "minimize" else 1.0)
            for i, (name, direction) in enumerate(objectives.items())
            if name not in costs
        ]
        self.candidates = candidates
        self.search = ParetoSearch(
            candidates,
            seed=seed,
            trials=max(1, trials // self.repeats),
            seeds=self.repeats,
            objectives=len(self._learnt),
            unit=None,
        )
        names = list(objectives)
        self.search.floors = [
            sign * floors[names[place]] if names[place] in floors else None
            for place, sign in self._learnt
        ]
        self._lock = Lock()
        self._num_earlier = 0
        self._random = RandomSampler(seed=seed)
        self._chosen: dict[int, Point] = {}
        """Maps the number of each running trial of this process to its configuration."""
        self._reader = StudyReader(candidates.row, self._scores)

    @property
    def directions(self) -> list[str]:
        """The directions to create the study with."""
        return list(self.objectives.values())

    def warm_start(self, trials: Iterable[FrozenTrial]) -> None:
        """Adds the complete trials of an earlier study to the model. The study must have the same objectives.

        Training in the earlier study may have been different, for example with fewer epochs or other data. The model
        learns how well its values predict those of this study. Call this method once for each earlier study, before the
        first trial. Raises UserError if a trial has a different number of objectives.
        """
        found: dict[int, Results] = {}
        for trial in trials:
            row = self.candidates.row(point(trial.params, trial.distributions))
            if trial.state == TrialState.COMPLETE and row is not None:
                if len(trial.values) != len(self.objectives):
                    raise UserError(
                        f"warm_start: trial {trial.number} has {len(trial.values)} objectives, not "
                        f"{len(self.objectives)}; give trials of a study with {', '.join(self.objectives)}"
                    )
                found.setdefault(row, Results()).scores.append(self._learnt_of(trial.values))
        for row, of in found.items():
            item = self.candidates.item(row)
            self.search.warm_start(self._num_earlier, item, of.mean, len(of.scores), of.variance)
        self._num_earlier += 1

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Chooses the configuration of a new trial. Stops the study if no untried configuration is left."""
        if [direction.name.lower() for direction in study.directions] != self.directions:
            given = ", ".join(direction.name.lower() for direction in study.directions)
            raise UserError(
                f"the study has the directions {given}, but the objectives of ParetoSampler are "
                f"{', '.join(f'{name}: {of}' for name, of in self.objectives.items())}; create the "
                "study with "
                "directions=sampler.directions"
            )
        with self._lock:
            self._reader.read(study, self._chosen)
            self._tell()
            chosen = self._next(trial.number)
            if chosen is not None:
                self._chosen[trial.number] = chosen
        if chosen is None:
            with suppress(
                RuntimeError
            ):  # the study is not in `optimize`, so there is nothing to stop
                study.stop()
            return
        study._storage.set_trial_system_attr(trial._trial_id, CHOSEN, dumps(chosen))

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forgets the configuration of a finished trial, because the study now holds all of its parameters.

        Raises UserError if the values of the trial contradict the exact costs.
        """
        with self._lock:
            self._chosen.pop(trial.number, None)
            if state == TrialState.COMPLETE and values is not None:
                row = self.candidates.row(point(trial.params, trial.distributions))
                if row is not None:
                    self._scores(trial.number, row, values)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns no parameters, so that Optuna asks for each parameter separately.

        Whether a parameter applies may depend on other parameters.
        """
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns no parameters, because the relative search space is empty."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns the value of the parameter `param_name` in the trial's configuration.

        Raises UserError if the configuration does not have the parameter, and optuna.TrialPruned if no untried
        configuration is left.
        """
        chosen = self._chosen.get(trial.number)
        if chosen is None:
            raise optuna.TrialPruned("no further configuration is feasible")
        if chosen.distributions.get(param_name) == param_distribution:
            return chosen.params[param_name]
        if trial.system_attrs.get(
            "fixed_params"
        ):  # enqueued with some parameters that lead elsewhere
            return self._random.sample_independent(study, trial, param_name, param_distribution)
        raise UserError(
            f"{param_name}: ParetoSampler suggests the parameters of its space ({', '.join(chosen.values)}), got "
            f"{param_distribution}; call the function that you gave as `space`"
        )

    def _next(self, number: int) -> Point | None:
        """Returns the configuration of trial `number`, or None if none is left."""
        for row, known in self._reader.results.items():
            done = len(known.scores) + known.running
            if 0 < done < self.repeats and not (known.pruned or known.failed):
                return self.candidates.item(row)
        while (suggested := self.search.ask(number // self.repeats)) is not None:
            if self._is_allowed(suggested):
                return suggested
            self.search.end(suggested, failed=True)
        return None

    def _is_allowed(self, suggested: Point) -> bool:
        """Returns whether a suggestion meets the constraints that the candidates cannot check."""
        return True

    def _tell(self) -> None:
        """Updates the search with the results of the study."""
        known, results = self.search.known, self._reader.results
        for row in [row for row in known if row not in results]:
            del known[row]  # suggested, but never trained
        for row, of in results.items():
            trial = known.setdefault(row, Known(row=row))
            trial.running = of.running > 0
            trial.failed = of.failed and not of.scores
            trial.stopped = of.pruned and not of.scores
            if of.scores:
                trial.curve[FULL] = of.mean
                trial.repeats[FULL] = (len(of.scores), of.variance)

    def _learnt_of(self, values: Sequence[float]) -> Floats:
        """Returns a trial's values for the learnt objectives. Signs are changed so that greater is better."""
        return np.array([sign * values[place] for place, sign in self._learnt], np.float64)

    def _scores(self, number: int, row: int, values: Sequence[float]) -> Floats:
        """Returns the scores of a trial. Raises UserError if its values contradict the exact costs."""
        exact = self._costs(row)
        for place, name in self._exact:
            if not math.isclose(values[place], exact[name], rel_tol=1e-6, abs_tol=1e-9):
                raise UserError(
                    f"trial {number}: objective {place} is {values[place]:g}, but `{name}` of these "
                    "parameters is "
                    f"{exact[name]:g}; return the values in the order {', '.join(self.objectives)}"
                )
        return self._learnt_of(values)

    def _costs(self, row: int) -> Mapping[str, float]:
        """Returns the exact costs of a row by name."""
        return self.candidates.exact(row)  # type: ignore[attr-defined]


def _check_objectives(
    objectives: Mapping[str, Direction], costs: Sequence[str], floors: Mapping[str, float]
) -> None:
    """Raises UserError if the objectives do not fit the costs."""
    wrong = [name for name, of in objectives.items() if of not in ("minimize", "maximize")]
    if wrong:
        raise UserError(f"objectives: {', '.join(wrong)} must be 'minimize' or 'maximize'")
    if all(name in costs for name in objectives):
        raise UserError(
            f"objectives: {', '.join(objectives) or 'none'} are exact costs, so there is nothing to "
            "learn; add an "
            "objective that a trial measures"
        )
    upward = [name for name in objectives if name in costs and objectives[name] == "maximize"]
    if upward:
        raise UserError(f"objectives: the exact cost {upward[0]} must be minimized; negate it")
    unknown = [name for name in floors if name not in objectives or name in costs]
    if unknown:
        raise UserError(f"floors: {', '.join(unknown)} is no objective that a trial measures")
