"""Optuna's samplers as a sweep uses them, made anew with a seed of its own for every trial."""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial


class RedrawingTPE(TPESampler):  # type: ignore[misc]
    """TPE whose answer differs from the one that was just refused, and that looks at the trials once for both.

    Its first answer is Optuna's: of 24 values of each knob the one likeliest to be good. Asked anew, Optuna
    mostly says the same; here a value of each knob is drawn from the density of the good ones instead. What is
    refused meanwhile fails, and failed trials teach TPE nothing.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self._halves: dict[bool, list[FrozenTrial]] = {}
        """The good trials under True, the others under False."""
        self._densities: dict[tuple[str, ...], dict[bool, Any]] = {}
        """Of the two, by knobs."""

    def _build_parzen_estimator(
        self, study: optuna.Study, search_space: Any, trials: list[FrozenTrial], handle_below: bool
    ) -> Any:
        self._halves[handle_below] = trials
        density = super()._build_parzen_estimator(study, search_space, trials, handle_below)
        self._densities.setdefault(tuple(search_space), {})[handle_below] = density
        return density

    def _sample(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        known = self._densities.get(tuple(search_space))
        if known is not None:
            drawn = known[True].sample(self._rng.rng, 1)
            return {name: of.to_external_repr(drawn[name][0]) for name, of in search_space.items()}
        if not self._halves:
            return super()._sample(study, trial, search_space)
        good, others = (
            self._build_parzen_estimator(study, search_space, self._halves[half], half)
            for half in (True, False)
        )
        drawn = good.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(drawn, self._compute_acquisition_func(drawn, good, others))
        return {name: of.to_external_repr(best[name]) for name, of in search_space.items()}


class OrderedNSGAII(NSGAIISampler):  # type: ignore[misc]
    """NSGA-II whose parents stand in order of trial from the first look on.

    Optuna orders them so only once they are cached, and a rebuilt study has no cache.
    """

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)


SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "random": lambda seed, population: RandomSampler(seed=seed),
    "tpe": lambda seed, population: RedrawingTPE(seed),
    "nsga2": lambda seed, population: OrderedNSGAII(seed=seed, population_size=population),
    "gp": lambda seed, population: GPSampler(seed=seed, warn_independent_sampling=False),
}
"""By name, each from a seed and the population of a generation."""
