"""`sampler: pareto` for a plain Optuna study. It computes the costs exactly, so its model predicts only the PSNR.

    space, faults = parse_space({"slwsr": {"n_feats": [8, 16, 32], "n_blocks": [6, 14, 26]}}, ())
    sampler = ParetoSampler(space, scale=4, constraints=[at_most("params", "100K")], trials=50)
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)

    def objective(trial):
        architecture = sampler.architecture(trial)
        return train_and_measure(architecture), *sampler.costs(architecture)

    study.optimize(objective, n_trials=50)

The sampler suggests no architecture twice, and none that violates a constraint. When it has suggested all
architectures, the study stops. For each trial the sampler reads all trials of the study again, so a study in a database
continues where it stopped. Several threads (`n_jobs`) can share a sampler. If two processes ask at the same moment,
they may get the same architecture.
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
from searchspace.errors import UserError
from searchspace.space import Space, feasible
from sweeps.search.optuna_params import locate, suggest
from sweeps.search.pareto.search import ParetoSearch

FULL = 1
"""The step at which the search records every PSNR. It needs only one step, because an Optuna study with several
objectives takes no intermediate values."""


class ParetoSampler(optuna.samplers.BaseSampler):  # type: ignore[misc]
    """Suggests architectures of a space to an Optuna study.

    The objective function must return the PSNR in dB, followed by the costs in the order of `minimized`.
    """

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
        """Prepares a search of `space` at upscaling factor `scale`.

        `minimized` names the costs to minimize. `trials` is roughly the number of trials that the study will run. A
        network whose PSNR in dB does not exceed `floor` is worth nothing; the PSNR of bicubic upscaling is a sensible
        floor. Raises UserError if `minimized` is empty, or names a cost that is not a sum over the layers of a network.
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
        """Number of a running trial -> its architecture. The study may not hold all parameters of that trial yet."""

    @property
    def directions(self) -> list[str]:
        """The directions to create the study with: 'maximize' for the PSNR, then 'minimize' for each cost."""
        return ["maximize", *("minimize" for _ in self.minimized)]

    def architecture(self, trial: optuna.Trial) -> Architecture:
        """Returns the architecture to train in `trial`.

        Raises optuna.TrialPruned if no untried architecture is left.
        """
        suggested = suggest(trial, self.space)
        assert suggested is not None
        return suggested

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Returns the exact costs of an architecture, in the order of `minimized`."""
        counted = costs(architecture, self.scale)
        return tuple(counted[name] for name in self.minimized)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Chooses the architecture of a new trial. Stops the study if no untried architecture is left."""
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
        """Forgets the architecture of a finished trial, because the study now holds all parameters of the trial."""
        with self._lock:
            self._chosen.pop(trial.number, None)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns no parameters. Whether a knob applies depends on other knobs, so Optuna asks for each knob alone."""
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
        """Returns the value of the parameter `param_name` in the trial's architecture.

        Raises UserError if the parameter is not a knob of the space, and optuna.TrialPruned if no untried architecture
        is left.
        """
        chosen = self._chosen.get(trial.number)
        if chosen is None:
            raise optuna.TrialPruned("no further architecture is feasible")
        located = locate(chosen, self.space)
        assert located is not None
        params, distributions = located
        if distributions.get(param_name) != param_distribution:
            raise UserError(
                f"{param_name}: ParetoSampler suggests the knobs of its space ({', '.join(params)}), got "
                f"{param_distribution}; call sampler.architecture(trial) to get their values"
            )
        return params[param_name]

    def _next(self, number: int) -> Architecture | None:
        """Returns the next architecture that meets all constraints, or None if there is none.

        The table checks constraints on most costs. This function also checks the rest, such as those on memory.
        """
        while (suggested := self.search.ask(number)) is not None:
            if feasible(suggested, self.constraints, self.scale):
                return suggested
            self.search.end(suggested, failed=True)
        return None

    def _read(self, trials: Sequence[FrozenTrial]) -> None:
        """Rebuilds the search from the trials of the study and from the trials that run in this process."""
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
            failed, pruned = trial.state == TrialState.FAIL, trial.state == TrialState.PRUNED
            self.search.end(architecture, failed=failed, stopped=pruned)

    def _stored(self, trial: FrozenTrial) -> Architecture | None:
        """Returns the architecture of a stored trial, or None if its parameters are incomplete or form no network."""
        try:
            return suggest(FixedTrial(trial.params, trial.number), self.space)
        except ValueError:
            return None
