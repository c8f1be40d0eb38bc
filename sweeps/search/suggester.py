"""Suggestion: which architecture to train next, from the rows of the sweep so far.

Optuna suggests through ask/tell on a study in memory that is rebuilt from stored trials: resuming,
warm-starting and carrying on after a crash are one path. Infeasible and known architectures are
turned down before they become trials. Our own `pareto` (`sweeps.search.pareto.sampler`) stands beside Optuna's.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from searchspace.architecture import Architecture, architecture
from searchspace.constraint import Constraint
from searchspace.cost import COSTS
from searchspace.space import MAX_DRAWS, Space, feasible
from searchspace.table.space_table import SpaceTable
from sweeps.config.sweep_config import Direction, SamplerName
from sweeps.records import VALIDATION, TrialRow
from sweeps.search.optuna_params import locate, suggest
from sweeps.search.optuna_samplers import SAMPLERS
from sweeps.search.pareto.sampler import ParetoSearch

MAX_REFUSALS = 8
"""Suggestions turned down in a row before one is drawn uniformly from what is left."""

FEW_SPELLINGS = 1_000
"""A space of so many combinations is listed in a blink."""
QUICK_DRAWS = 20
"""Combinations drawn from a larger one before it is listed."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Suggester:
    """Suggests feasible architectures that the sweep has not seen; None when there are none left."""

    def __init__(
        self,
        *,
        space: Space,
        constraints: Sequence[Constraint],
        scale: int,
        objectives: Mapping[str, Direction],
        sampler: SamplerName,
        seed: int,
        trials: int = 100,
        steps: int = 1,
        levels: Sequence[int] = (),
        table: SpaceTable | None = None,
    ) -> None:
        """`steps`: of a full training; `levels`: steps of shorter ones whose results are of use; `table`: of
        the space, where there is one already.
        """
        self.space, self.constraints, self.scale = space, tuple(constraints), scale
        self.seed = seed
        self.sampler, self.objectives, self.steps = sampler, dict(objectives), steps
        self.modelled = next((name for name in objectives if name not in COSTS), "")
        """The objective that has to be learnt."""
        # NSGA-II needs several generations within the budget to do more than random search.
        self.population = min(50, max(8, trials // 8))
        self.study = optuna.create_study(directions=list(objectives.values()))
        self.known: set[str] = set()
        self.why_none = ""
        """Why nothing could be suggested, once that was so."""
        self.asked: dict[str, int] = {}
        self.num_complete = 0
        self.grid: Iterator[Architecture] | None = None
        self.pareto: ParetoSearch | None = None
        if sampler == "pareto":
            self.pareto = ParetoSearch(
                space=space,
                constraints=self.constraints,
                scale=scale,
                minimized=[name for name in objectives if name in COSTS],
                steps=steps,
                levels=levels,
                seed=seed,
                trials=trials,
                table=table,
            )

    def ask(self, number: int) -> Architecture | None:
        """The architecture of trial `number`; the answer depends on the seed, the number and what was
        told, so that a resumed sweep goes on as an undisturbed one would.
        """
        suggested = None
        if self.sampler == "grid":
            suggested = self._next_of_grid()
        elif self.pareto is not None:
            suggested = self._next_of_pareto(self.pareto, number)
        else:
            self.study.sampler = self._make_sampler(self.seed * 1_000_003 + number)
            for _ in range(MAX_REFUSALS):
                trial = self.study.ask()
                suggested = suggest(trial, self.space)
                if suggested is not None and self._is_new(suggested):
                    self.asked[suggested.key] = trial.number
                    break
                self.study.tell(trial, state=TrialState.FAIL)
                suggested = None
            if suggested is None:
                suggested = self._draw(Random(f"{self.seed}/{number}"))
        if suggested is not None:
            self.known.add(suggested.key)
        else:
            self.why_none = self._why_none()
        return suggested

    def _why_none(self) -> str:
        if self.space.enumerable or self.pareto is not None:
            return "no further architecture is feasible"
        return f"no further feasible architecture in {MAX_DRAWS:,} drawn"

    def restore(self, stored: Architecture) -> None:
        """Take up a trial that was stored earlier; `tell` follows once its outcome is known."""
        self.known.add(stored.key)
        if self.pareto is not None:
            self.pareto.add(stored)
            return
        located = locate(stored, self.space)
        if located is None:
            return  # the space has changed since; the architecture still counts as known
        params, distributions = located
        # The generation that NSGA-II would have given it: a rebuilt study lacks it.
        generation = {"NSGAIISampler:generation": self.num_complete // self.population}
        running = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            system_attrs=generation,
        )
        self.study.add_trial(running)
        self.asked[stored.key] = len(self.study.get_trials(deepcopy=False)) - 1

    def warm_start(self, sweep: int, rows: Sequence[TrialRow]) -> None:
        """Full trainings of another sweep, numbered from 0, for a sampler with a model of its own."""
        if self.pareto is None:
            return
        for row in rows:
            learnt = (self.modelled, VALIDATION)
            scores = [m.value for m in row.measurements if (m.name, m.dataset) == learnt]
            try:
                known = architecture(row.family, row.knobs)
            except ValueError:
                continue  # written by a version that had other knobs
            if scores:
                self.pareto.warm_start(sweep, known, scores[-1])

    def report(self, suggested: Architecture, step: int, scores: Mapping[str, float]) -> None:
        """The measured objectives after `step` steps; Optuna's samplers have no use for them."""
        if self.pareto is not None and self.modelled in scores:
            self.pareto.observe(suggested, step, scores[self.modelled])

    def pause(self, suggested: Architecture) -> None:
        """A trial waits for promotion; Optuna goes on taking it for running."""
        if self.pareto is not None:
            self.pareto.end(suggested, failed=False)

    def resume(self, suggested: Architecture) -> None:
        """A paused trial was promoted."""
        if self.pareto is not None:
            self.pareto.resume(suggested)

    @property
    def floor(self) -> float | None:
        """Value of the learnt objective below which a network is worth nothing; None where unknown."""
        return None if self.pareto is None else self.pareto.floor

    @floor.setter
    def floor(self, value: float | None) -> None:
        if self.pareto is not None:
            self.pareto.floor = value

    @property
    def gain(self) -> float:
        """Expected relative growth of the hypervolume by the newest suggestion; infinite where unknown."""
        return math.inf if self.pareto is None else self.pareto.gain

    def tell(
        self, suggested: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        """The objectives of a finished trial; None where it failed or, with `stopped`, was given up."""
        if self.pareto is not None:
            if values is not None and self.modelled:
                value = values[list(self.objectives).index(self.modelled)]
                self.pareto.observe(suggested, self.steps, value)
            self.pareto.end(suggested, failed=values is None and not stopped)
            return
        number = self.asked.pop(suggested.key, None)
        if number is None:
            return  # outside of the space: nothing that the sampler could learn from
        if values is None:
            state = TrialState.PRUNED if stopped else TrialState.FAIL
            self.study.tell(number, state=state)
        else:
            self.study.tell(number, list(values))
            self.num_complete += 1

    def _is_new(self, candidate: Architecture) -> bool:
        return candidate.key not in self.known and feasible(candidate, self.constraints, self.scale)

    def _draw(self, random: Random) -> Architecture | None:
        """At random among the feasible, unknown architectures; None where there are none.

        Uniform over them only in small spaces and where few are left: to list 20,000 architectures takes
        seconds.
        """
        drawn = None
        if self.space.num_spellings > FEW_SPELLINGS:
            quick = (self.space.spell(random) for _ in range(QUICK_DRAWS))
            drawn = next((a for a in quick if self._is_new(a)), None)
        if drawn is None:
            drawn = self._draw_listed(random)
        if drawn is not None and self.sampler != "grid":
            self.restore(drawn)
        return drawn

    def _draw_listed(self, random: Random) -> Architecture | None:
        """Uniform over the feasible, unknown architectures; None where there are none."""
        if self.space.enumerable:
            unknown = [a for a in self.space.architectures if a.key not in self.known]
            random.shuffle(unknown)
            candidates: Iterator[Architecture] = iter(unknown)
        else:
            candidates = (self.space.sample(random) for _ in range(MAX_DRAWS))
        return next((a for a in candidates if self._is_new(a)), None)

    def _next_of_grid(self) -> Architecture | None:
        if self.grid is None:
            self.grid = iter(self.space.architectures)
        return next((a for a in self.grid if self._is_new(a)), None)

    def _next_of_pareto(self, pareto: ParetoSearch, number: int) -> Architecture | None:
        """Its suggestions until one meets the constraints that its table does not hold (memory)."""
        while (suggested := pareto.ask(number)) is not None:
            if self._is_new(suggested):
                return suggested
            pareto.end(suggested, failed=True)
        return None

    def _make_sampler(self, seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return SAMPLERS[self.sampler](seed % 2**32, self.population)
