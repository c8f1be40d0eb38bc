"""The next architecture to train, from the rows of the sweep so far.

The sampler chooses; the suggester remembers what was tried and turns infeasible and known architectures down before
they become trials. When a sampler runs out of ideas, the suggester draws an architecture at random. A resumed sweep,
one with more trials than before and one that recovers from a crash all rebuild the suggester from the stored trials.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from searchspace.architecture import Architecture, architecture
from searchspace.constraint import Constraint
from searchspace.errors import UserError
from searchspace.space import MAX_DRAWS, Space, feasible
from searchspace.table.space_table import SpaceTable
from sweeps.records import VALIDATION, TrialRow
from sweeps.search.sampler import Problem, sampler_class
from sweeps.search.settings import Direction, SamplerName

FEW_SPELLINGS = 1_000
"""Combinations up to which listing a space takes no noticeable time."""
QUICK_DRAWS = 20
"""Combinations drawn from a larger space before the suggester lists it."""


class Suggester:
    """Suggests feasible architectures that the sweep has not tried."""

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
        """Make the sampler called `sampler`; `Problem` describes the other arguments."""
        problem = Problem(
            space=space,
            constraints=tuple(constraints),
            scale=scale,
            objectives=dict(objectives),
            seed=seed,
            trials=trials,
            steps=steps,
            levels=tuple(levels),
            table=table,
        )
        self.space, self.constraints, self.scale = space, problem.constraints, scale
        self.seed = seed
        self.modelled = problem.learnt
        """The objective that a model has to learn."""
        self.sampler = sampler_class(sampler)(problem)
        self.known: set[str] = set()
        """Keys of the architectures that were tried."""
        self.why_none = ""
        """Why the last `ask` returned None; '' before that."""

    def ask(self, number: int) -> Architecture | None:
        """Return the architecture for trial `number`; None when no untried feasible one was found.

        The answer depends only on the seed, the number and what was told before.
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
        """Take up a stored trial. Once its outcome is known, call `tell`."""
        self.known.add(stored.key)
        self.sampler.restore(stored)

    def warm_start(self, sweep: int, rows: Sequence[TrialRow]) -> None:
        """Let the sampler learn from full trainings of an earlier sweep; `sweep` counts those from 0."""
        for row in rows:
            learnt = (self.modelled, VALIDATION)
            scores = [m.value for m in row.measurements if (m.name, m.dataset) == learnt]
            try:
                known = architecture(row.family, row.knobs)
            except UserError:
                continue  # stored by a version with other knobs
            if scores:
                self.sampler.warm_start(sweep, known, scores[-1])

    def report(self, suggested: Architecture, step: int, scores: Mapping[str, float]) -> None:
        """Pass on the measured objectives of a trial after `step` optimiser steps."""
        self.sampler.report(suggested, step, scores)

    def pause(self, suggested: Architecture) -> None:
        """Tell the sampler that a trial is waiting for promotion."""
        self.sampler.pause(suggested)

    def resume(self, suggested: Architecture) -> None:
        """Pass on that a paused trial was promoted."""
        self.sampler.resume(suggested)

    def tell(
        self, suggested: Architecture, values: Sequence[float] | None, *, stopped: bool
    ) -> None:
        """Pass on the objectives of a finished trial, in order.

        `values` is None when the trial has failed or, with `stopped`, was given up.
        """
        self.sampler.tell(suggested, values, stopped=stopped)

    def _is_new(self, candidate: Architecture) -> bool:
        return candidate.key not in self.known and feasible(candidate, self.constraints, self.scale)

    def _draw(self, random: Random) -> Architecture | None:
        """Draw an untried feasible architecture; None when there is none.

        The draw is uniform over these architectures only in small spaces and when few are left, because listing
        20,000 architectures takes seconds.
        """
        drawn = None
        if self.space.num_spellings > FEW_SPELLINGS:
            quick = (self.space.spell(random) for _ in range(QUICK_DRAWS))
            drawn = next((each for each in quick if self._is_new(each)), None)
        return self._draw_listed(random) if drawn is None else drawn

    def _draw_listed(self, random: Random) -> Architecture | None:
        """Draw uniformly from the untried feasible architectures; None when there is none."""
        if self.space.enumerable:
            unknown = [each for each in self.space.architectures if each.key not in self.known]
            random.shuffle(unknown)
            candidates: Iterator[Architecture] = iter(unknown)
        else:
            candidates = (self.space.sample(random) for _ in range(MAX_DRAWS))
        return next((each for each in candidates if self._is_new(each)), None)
