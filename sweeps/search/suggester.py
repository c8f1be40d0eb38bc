"""Suggests the next architecture to train.

The sampler chooses an architecture. The suggester remembers which architectures were tried, and refuses those that were
tried or are infeasible. If the sampler finds no architecture, the suggester draws one at random. A sweep that resumes,
gets more trials or recovers from a crash rebuilds its suggester from the stored trials.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from statistics import fmean, variance

from searchspace.architecture import Architecture, stored_architecture
from searchspace.constraint import Constraint
from searchspace.errors import UserError
from searchspace.predicted import Rates
from searchspace.space import MAX_DRAWS, Space, feasible
from searchspace.table.space_table import SpaceTable
from sweeps.records import VALIDATION, TrialRow
from sweeps.search.sampler import Problem, Scatter, sampler_class
from sweeps.search.settings import Direction, SamplerName

FEW_SPELLINGS = 1_000
"""Largest number of combinations of values that the suggester lists without trying random combinations first."""
QUICK_DRAWS = 20
"""Number of random combinations that the suggester tries first in a larger space."""


class Suggester:
    """Suggests architectures that meet the constraints and that the sweep has not tried."""

    def __init__(
        self,
        *,
        space: Space,
        constraints: Sequence[Constraint],
        scale: int,
        objectives: Mapping[str, Direction],
        gates: Mapping[str, float] | None = None,
        focus: Mapping[str, tuple[float, float]] | None = None,
        sampler: SamplerName,
        seed: int,
        trials: int = 100,
        seeds: int = 1,
        steps: int = 1,
        levels: Sequence[int] = (),
        rungs: Sequence[int] = (),
        table: SpaceTable | None = None,
        rates: Rates | None = None,
    ) -> None:
        """Creates the sampler called `sampler`. `sweeps.search.sampler.Problem` describes the other arguments."""
        problem = Problem(
            space=space,
            constraints=tuple(constraints),
            scale=scale,
            objectives=dict(objectives),
            gates=dict(gates or {}),
            focus=dict(focus or {}),
            seed=seed,
            trials=trials,
            seeds=seeds,
            steps=steps,
            levels=tuple(levels),
            rungs=tuple(rungs),
            table=table,
            rates=rates,
        )
        self.space, self.constraints, self.scale = space, problem.constraints, scale
        self.seed = seed
        self.modelled = problem.learnt
        """Name of the objective that a model has to learn. Empty if all objectives are costs."""
        self.sampler = sampler_class(sampler)(problem)
        self.known: set[str] = set()
        """Keys of the architectures that the sweep has tried."""
        self.why_none = ""
        """The reason why `ask` returned None. Empty if it has never returned None."""

    def ask(self, number: int) -> Architecture | None:
        """Returns the architecture for trial `number`, or None if no untried feasible architecture was found.

        The answer depends only on the constructor's arguments, on `number` and on the earlier calls of all methods.
        """
        suggested = self.sampler.ask(number, self._is_new)
        if suggested is None and not self.sampler.is_exhaustive:
            suggested = self._draw(Random(f"{self.seed}/{number}"))
            if suggested is not None:
                self.sampler.restore(suggested)
        if suggested is not None:
            self.known.add(suggested.key)
        elif self.space.enumerable or self.sampler.is_exhaustive:
            self.why_none = "no further architecture is feasible"
        else:
            self.why_none = f"no further feasible architecture in {MAX_DRAWS:,} draws"
        return suggested

    def restore(self, stored: Architecture) -> None:
        """Adds a trial that is stored in the database. Once the trial has finished, call `tell`."""
        self.known.add(stored.key)
        self.sampler.restore(stored)

    def warm_start(self, sweep: int, rows: Sequence[TrialRow]) -> None:
        """Lets the sampler learn from the trials in `rows`, which an earlier sweep trained in full.

        `sweep` is the number of the earlier sweep, counted from 0. Trials of one architecture count as one, with their
        mean.
        """
        found: dict[str, tuple[Architecture, list[float]]] = {}
        for row in rows:
            learnt = (self.modelled, VALIDATION)
            scores = [m.value for m in row.measurements if (m.name, m.dataset) == learnt]
            try:
                known = stored_architecture(row.family, row.knobs)
            except UserError:
                continue  # a version of srsweep with other knobs stored this trial
            if scores:
                found.setdefault(known.key, (known, []))[1].append(scores[-1])
        for known, scores in found.values():
            apart = Scatter(count=len(scores), variance=variance(scores)) if scores[1:] else None
            self.sampler.warm_start(sweep, known, fmean(scores), apart)

    def report(
        self,
        suggested: Architecture,
        step: int,
        scores: Mapping[str, float],
        scatter: Mapping[str, Scatter] | None = None,
    ) -> None:
        """Tells the sampler the values of a trial's objectives, keyed by name, after `step` optimiser steps.

        The values are means if several training runs of the architecture reached `step`. `scatter` then tells how far
        they are apart.
        """
        self.sampler.report(suggested, step, scores, scatter or {})

    def pause(self, suggested: Architecture) -> None:
        """Tells the sampler that a trial pauses at a rung and waits for promotion."""
        self.sampler.pause(suggested)

    def promote(self, number: int | None, waiting: Sequence[Architecture]) -> Architecture | None:
        """Returns the paused trial to train further, or None if trial `number`, a new one, should start instead.

        `number` is None if the budget allows no new trial.
        """
        return self.sampler.promote(number, waiting)

    def resume(self, suggested: Architecture) -> None:
        """Tells the sampler that a paused trial was promoted and is training again."""
        self.sampler.resume(suggested)

    def tell(
        self, suggested: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        """Tells the sampler the result of a finished trial: the values of all objectives, in order.

        `values` is None if the trial was stopped before its full training (then `stopped` is True) or has failed.
        """
        self.sampler.tell(suggested, values, stopped=stopped)

    def _is_new(self, candidate: Architecture) -> bool:
        return candidate.key not in self.known and feasible(candidate, self.constraints, self.scale)

    def _draw(self, random: Random) -> Architecture | None:
        """Draws an untried feasible architecture, or returns None if it finds none.

        In a large space it first draws a few combinations, because listing 20,000 architectures takes seconds. Such a
        draw is uniform over combinations of values, not over architectures.
        """
        drawn = None
        if self.space.num_spellings > FEW_SPELLINGS:
            quick = (self.space.spell(random) for _ in range(QUICK_DRAWS))
            drawn = next((each for each in quick if self._is_new(each)), None)
        return self._draw_listed(random) if drawn is None else drawn

    def _draw_listed(self, random: Random) -> Architecture | None:
        """Draws an untried feasible architecture, or returns None if it finds none.

        The draw is uniform over architectures if the space can be listed, and over combinations of values otherwise.
        """
        if self.space.enumerable:
            unknown = [each for each in self.space.architectures if each.key not in self.known]
            random.shuffle(unknown)
            candidates: Iterator[Architecture] = iter(unknown)
        else:
            candidates = (self.space.sample(random) for _ in range(MAX_DRAWS))
        return next((each for each in candidates if self._is_new(each)), None)
