"""Lets a sweep use Optuna's samplers.

Optuna suggests architectures through the ask/tell interface of a study in memory. Every trial gets a new sampler with a
seed computed from the sweep's seed and the trial's number. A resumed sweep adds its stored trials to a new study. It
therefore suggests the same architectures as an uninterrupted sweep.
"""

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from searchspace.architecture import Architecture
from searchspace.space import Space
from sweeps.search.optuna_params import locate, suggest
from sweeps.search.sampler import Problem, Sampler

MAX_REFUSALS = 8
"""Number of refused suggestions in a row after which `ask` returns None."""

Shortfalls = Callable[[FrozenTrial], Sequence[float]]
"""A function that returns the distance by which a trial misses each gate. Positive: the trial fails the gate."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class OptunaSampler(Sampler):
    """Asks one of Optuna's samplers, and asks again if the suggested architecture is infeasible or already tried."""

    def __init__(self, problem: Problem) -> None:
        self.space, self.seed = problem.space, problem.seed
        self.study = optuna.create_study(directions=list(problem.objectives.values()))
        self.asked: dict[str, int] = {}
        """Maps the architecture key of each running trial to Optuna's number of the trial."""
        self.num_complete = 0
        self.places = {name: place for place, name in enumerate(problem.objectives)}
        self.gates = problem.gates
        self.shortfalls: dict[int, list[float]] = {}
        """Maps Optuna's number of each complete trial to the distances by which the trial misses the gates. Positive:
        it fails."""
        # NSGA-II is better than random search only if several generations fit into the planned trials.
        self.population = min(50, max(8, problem.trials // 8))
        if self.gates:
            self._use_sampler(0)  # so that it stores the constraints of restored trials

    @abstractmethod
    def make(self, seed: int, constraints: Shortfalls | None) -> BaseSampler:
        """Returns the Optuna sampler for one trial. `seed` is in 0 ... 2**32 - 1.

        `constraints` returns the values of Optuna's constraints for a trial. None if there are no gates.
        """

    def _use_sampler(self, number: int) -> None:
        """Gives the study a new sampler for trial `number`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # Optuna 5 prefers `Trial.set_constraint`, which neither a restored trial nor Optuna 4 has.
            warnings.simplefilter("ignore", FutureWarning)
            seed = (self.seed * 1_000_003 + number) % 2**32
            self.study.sampler = self.make(seed, self._shortfalls if self.gates else None)

    def _shortfalls(self, trial: FrozenTrial) -> list[float]:
        """Returns the distance by which a trial misses each gate; infinite for a trial that is not complete."""
        return self.shortfalls.get(trial.number, [math.inf] * len(self.gates))

    def ask(self, number: int, is_new: Callable[[Architecture], bool]) -> Architecture | None:
        self._use_sampler(number)
        for _ in range(MAX_REFUSALS):
            trial = self.study.ask()
            suggested = suggest(trial, self.space)
            if suggested is not None and is_new(suggested):
                self.asked[suggested.key] = trial.number
                return suggested
            self.study.tell(trial, state=TrialState.FAIL)
        return None

    def restore(self, architecture: Architecture) -> None:
        located = locate(architecture, self.space)
        if located is None:
            return  # the space has changed since the trial was stored
        params, distributions = located
        running = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            system_attrs=self._attributes(),
        )
        self.study.add_trial(running)
        self.asked[architecture.key] = len(self.study.get_trials(deepcopy=False)) - 1

    def tell(
        self, architecture: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        number = self.asked.pop(architecture.key, None)
        if number is None:
            return  # the architecture is outside the space, so the sampler cannot learn from it
        if values is None:
            self.study.tell(number, state=TrialState.PRUNED if stopped else TrialState.FAIL)
        else:
            self.shortfalls[number] = [
                least - values[self.places[name]] for name, least in self.gates.items()
            ]
            self.study.tell(number, list(values))
            self.num_complete += 1

    def _attributes(self) -> dict[str, Any]:
        """Returns the system attributes that Optuna's sampler expects of a restored trial."""
        return {}


class Random(OptunaSampler):
    """`sampler: random`: draws each knob uniformly from its values."""

    def make(self, seed: int, constraints: Shortfalls | None) -> BaseSampler:
        return RandomSampler(seed=seed)


class TPE(OptunaSampler):
    """`sampler: tpe`: Optuna's tree-structured Parzen estimator."""

    def make(self, seed: int, constraints: Shortfalls | None) -> BaseSampler:
        return RedrawingTPE(seed, constraints)


class NSGA2(OptunaSampler):
    """`sampler: nsga2`: Optuna's genetic algorithm NSGA-II."""

    @classmethod
    def advice(cls, space: Space, *, halving: bool) -> list[str]:
        if len(space.families) < 2:
            return []
        return [
            "sampler nsga2: it crosses only knobs that all trials share, and in a space of several families they share "
            "only the family's name; pareto and tpe use the other knobs too"
        ]

    def make(self, seed: int, constraints: Shortfalls | None) -> BaseSampler:
        return OrderedNSGAII(
            seed=seed, population_size=self.population, constraints_func=constraints
        )

    def _attributes(self) -> dict[str, Any]:
        # Optuna stores the generation of a trial when it suggests the trial. A restored trial gets its generation here.
        return {"NSGAIISampler:generation": self.num_complete // self.population}


class GP(OptunaSampler):
    """`sampler: gp`: Optuna's Gaussian-process sampler."""

    def make(self, seed: int, constraints: Shortfalls | None) -> BaseSampler:
        return GPSampler(seed=seed, warn_independent_sampling=False, constraints_func=constraints)


class RedrawingTPE(TPESampler):  # type: ignore[misc]
    """A TPE sampler that makes another suggestion after a refusal, without reading the trials again.

    The first suggestion is that of Optuna, the best of 24 candidates. After a refusal, Optuna would usually suggest the
    same architecture again. This class instead draws each knob from the density of the values in good trials. A refused
    suggestion counts as a failed trial. TPE learns nothing from failed trials, so the densities stay valid.
    """

    def __init__(self, seed: int, constraints: Shortfalls | None = None) -> None:
        super().__init__(seed=seed, constraints_func=constraints)
        self._halves: dict[bool, list[FrozenTrial]] = {}
        """The good trials (True) and the other trials (False)."""
        self._densities: dict[tuple[str, ...], dict[bool, Any]] = {}
        """Maps names of knobs to the density of their values in the good trials (True) and in the others (False)."""

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
    """An NSGA-II sampler that always reads the parents of a generation in the order of their trial numbers.

    Optuna sorts the parents only when it reads them from its cache. A rebuilt study has no cache, so its order would
    differ.
    """

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)
