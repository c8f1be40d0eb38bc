"""`sampler: pareto` for a plain Optuna study: costs are known, only the PSNR is modelled.

    space, faults = parse_space({"slwsr": {"n_feats": [8, 16, 32], "n_blocks": [6, 14, 26]}}, ())
    sampler = ParetoSampler(space, scale=4, constraints=[at_most("params", "100K")], trials=50)
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)

    def objective(trial):
        architecture = sampler.architecture(trial)
        return train_and_measure(architecture), *sampler.costs(architecture)

    study.optimize(objective, n_trials=50)

No architecture is suggested twice and none above a limit; when all are tried the study stops by itself. Everything
is read from the study anew for each trial, so that a study in a database goes on where it was. Several threads
(`n_jobs`) share a sampler; of several processes two may choose the same in the same moment.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.cost import costs
from searchspace.space import Space, feasible
from sweeps.search.optuna_params import locate, suggest
from sweeps.search.pareto.search import ParetoSearch

FULL = 1
"""The only length of training: a study of several objectives takes no values on the way."""


class ParetoSampler(optuna.samplers.BaseSampler):  # type: ignore[misc]
    """Suggests architectures of a space; the study's values are the PSNR [dB] and then the costs in order."""

    def __init__(
        self,
        space: Space,
        *,
        scale: int,
        minimized: Sequence[str] = ("params", "multadds"),
        constraints: Sequence[Constraint] = (),
        trials: int = 100,
        floor: float | None = None,
        seed: int = 0,
    ) -> None:
        """`minimized`: the costs beside the PSNR; `trials`: about how many there will be; `floor`: PSNR [dB] below
        which a network is worth nothing, as bicubic's.

        Raises ValueError for a cost that is no sum over parts of a network.
        """
        self.space, self.scale = space, scale
        self.minimized, self.constraints = tuple(minimized), tuple(constraints)
        self.search = ParetoSearch(
            space=space,
            constraints=constraints,
            scale=scale,
            minimized=minimized,
            steps=FULL,
            levels=(),
            seed=seed,
            trials=trials,
        )
        self.search.floor = floor
        self._lock = Lock()
        self._chosen: dict[int, Architecture] = {}
        """Of trials that are running here, by number: their parameters are not in the study yet."""

    @property
    def directions(self) -> list[str]:
        """Of the study that this samples for."""
        return ["maximize", *("minimize" for _ in self.minimized)]

    def architecture(self, trial: optuna.Trial) -> Architecture:
        """What the trial is to train; optuna.TrialPruned where all architectures are tried."""
        suggested = suggest(trial, self.space)
        assert suggested is not None
        return suggested

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """The minimized costs of an architecture, exact, in order."""
        counted = costs(architecture, self.scale)
        return tuple(counted[name] for name in self.minimized)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Choose the trial's architecture; at the end of the space, stop the study."""
        with self._lock:
            self._read(study.get_trials(deepcopy=False))
            chosen = self._next(trial.number)
            if chosen is not None:
                self._chosen[trial.number] = chosen
        if chosen is None:
            study.stop()

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The study knows the trial from now on."""
        with self._lock:
            self._chosen.pop(trial.number, None)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Empty: the parameters are asked for one by one, since they depend on each other."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Empty, as that space."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of a knob; ValueError for a parameter that is none."""
        chosen = self._chosen.get(trial.number)
        if chosen is None:
            raise optuna.TrialPruned("no further architecture is feasible")
        located = locate(chosen, self.space)
        assert located is not None
        params, distributions = located
        if distributions.get(param_name) != param_distribution:
            raise ValueError(
                f"{param_name}: ParetoSampler suggests the knobs of its space ({', '.join(params)}), got "
                f"{param_distribution}; ask for them by sampler.architecture(trial)"
            )
        return params[param_name]

    def _next(self, number: int) -> Architecture | None:
        """The next one that meets the limits which the table of costs does not hold (memory) as well."""
        while (suggested := self.search.ask(number)) is not None:
            if feasible(suggested, self.constraints, self.scale):
                return suggested
            self.search.end(suggested, failed=True)
        return None

    def _read(self, trials: Sequence[FrozenTrial]) -> None:
        """Make the search know what the study knows, and what is running here."""
        self.search.known.clear()
        for chosen in self._chosen.values():
            self.search.add(chosen)
        for trial in trials:
            known = self._stored(trial)
            if known is not None:
                self._take(trial, known)

    def _take(self, trial: FrozenTrial, architecture: Architecture) -> None:
        self.search.add(architecture)
        if trial.state == TrialState.COMPLETE:
            self.search.observe(architecture, FULL, trial.values[0])
        if trial.state.is_finished():
            self.search.end(architecture, failed=trial.state == TrialState.FAIL)

    def _stored(self, trial: FrozenTrial) -> Architecture | None:
        """The architecture of a trial of the study; None where it has none, or not all of it yet."""
        try:
            return suggest(FixedTrial(trial.params, trial.number), self.space)
        except ValueError:
            return None
