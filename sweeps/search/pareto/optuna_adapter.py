"""`sampler: pareto` for a plain Optuna study: it computes costs exactly and models only the PSNR.

    space, faults = parse_space({"slwsr": {"n_feats": [8, 16, 32], "n_blocks": [6, 14, 26]}}, ())
    sampler = ParetoSampler(space, scale=4, constraints=[at_most("params", "100K")], trials=50)
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)

    def objective(trial):
        architecture = sampler.architecture(trial)
        return train_and_measure(architecture), *sampler.costs(architecture)

    study.optimize(objective, n_trials=50)

The sampler suggests no architecture twice and none above a limit. When all were tried, the study stops. For each
trial the sampler reads the whole study again, so a study in a database continues where it stopped. Several threads
(`n_jobs`) can share a sampler. Two processes that ask at the same moment may get the same architecture.
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
"""The only length of training, because an Optuna study with several objectives takes no intermediate values."""


class ParetoSampler(optuna.samplers.BaseSampler):  # type: ignore[misc]
    """Suggests architectures of a space. The study's values are the PSNR in dB, then the costs in order."""

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
        """Prepare a search of `space` at upscaling factor `scale`.

        `minimized` names the costs among the objectives, and `trials` is the approximate number of trials. A network
        whose PSNR is at or below `floor` in dB, such as bicubic's, is worth nothing. Raises UserError for a cost that
        is not a sum over the parts of a network.
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
        """Number of a running trial -> its architecture, whose parameters the study may not hold yet."""

    @property
    def directions(self) -> list[str]:
        """The directions of the study's values."""
        return ["maximize", *("minimize" for _ in self.minimized)]

    def architecture(self, trial: optuna.Trial) -> Architecture:
        """Return the architecture to train. Raises optuna.TrialPruned when all architectures were tried."""
        suggested = suggest(trial, self.space)
        assert suggested is not None
        return suggested

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Return the minimized costs of an architecture, exact and in order."""
        counted = costs(architecture, self.scale)
        return tuple(counted[name] for name in self.minimized)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Choose the trial's architecture. Stop the study when all were tried."""
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
        """Forget the trial, which the study holds from now on."""
        with self._lock:
            self._chosen.pop(trial.number, None)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: the parameters depend on each other, so Optuna asks for them one by one."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, because the relative search space is empty."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of a knob. Raises UserError for a parameter that is not a knob of the space."""
        chosen = self._chosen.get(trial.number)
        if chosen is None:
            raise optuna.TrialPruned("no further architecture is feasible")
        located = locate(chosen, self.space)
        assert located is not None
        params, distributions = located
        if distributions.get(param_name) != param_distribution:
            raise UserError(
                f"{param_name}: ParetoSampler suggests the knobs of its space ({', '.join(params)}), got "
                f"{param_distribution}; ask for them by sampler.architecture(trial)"
            )
        return params[param_name]

    def _next(self, number: int) -> Architecture | None:
        """Return the next architecture that also meets limits on costs that the table lacks, such as memory."""
        while (suggested := self.search.ask(number)) is not None:
            if feasible(suggested, self.constraints, self.scale):
                return suggested
            self.search.end(suggested, failed=True)
        return None

    def _read(self, trials: Sequence[FrozenTrial]) -> None:
        """Rebuild the search from the study and from the trials that run here."""
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
        """Return the architecture of a stored trial; None when its parameters are incomplete or no architecture."""
        try:
            return suggest(FixedTrial(trial.params, trial.number), self.space)
        except ValueError:
            return None
