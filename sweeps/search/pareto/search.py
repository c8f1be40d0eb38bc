"""The search behind `sampler: pareto`. It suggests the architecture that should enlarge the hypervolume the most.

A table holds the architectures of the space with their exact costs. A model (`sweeps.search.pareto.surrogate`) predicts
only the PSNR. It learns from full trainings and from shorter ones. For each untried architecture, the search computes
how much the hypervolume is expected to grow (`sweeps.search.pareto.expected_improvement`); the costs are on logarithmic
axes. The first few suggestions are chosen without the model: their costs and knobs differ widely, so that the model can
learn from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from threadpoolctl import ThreadpoolController

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.errors import UserError
from searchspace.space import Space
from searchspace.table.space_table import ADDITIVE, SpaceTable
from sweeps.search.pareto.encoding import Features
from sweeps.search.pareto.expected_improvement import Budgets
from sweeps.search.pareto.surrogate import Floats, Ints, Observations, Surrogate, spaced

MAX_CANDIDATES = 2_000
"""The largest number of architectures that the model compares for one suggestion. If more are untried, it compares
neighbours of the Pareto front and a random sample."""
MAX_OBSERVED = 800
"""The largest number of PSNRs of this sweep that the model learns from. `_kept` says which ones are kept."""
INITIAL = 4
"""The largest number of suggestions that are made without the model. It is small, to leave most trials to the model."""
INITIAL_WHEN_WARM = 2
"""The largest number of suggestions that are made without the model if it has learnt from earlier sweeps."""
PATIENCE = 12
"""Number of full trainings after which the search ignores bicubic's PSNR if no network has exceeded it. Networks below
bicubic then count too."""
_ONE_THREAD = ThreadpoolController()
"""Limits BLAS to one thread. Small matrices are slower on several threads, especially while trainings use all
cores."""


@dataclass(kw_only=True)
class Known:
    """The trial of one architecture of the table, and its results so far."""

    row: int
    curve: dict[int, float] = field(default_factory=dict)
    """Optimiser step -> PSNR in dB at that step."""
    repeats: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Optimiser step -> number of trainings whose mean `curve` holds, and their sample variance in dB². Without an entry,
    there was one training."""
    running: bool = True
    failed: bool = False
    stopped: bool = False
    """Whether the trial was stopped for good before its full training."""


class ParetoSearch:
    """Suggests architectures that meet the constraints and have not been tried."""

    def __init__(
        self,
        *,
        space: Space,
        constraints: Sequence[Constraint],
        scale: int,
        minimized: Sequence[str],
        steps: int,
        levels: Sequence[int],
        seed: int,
        trials: int,
        seeds: int = 1,
        table: SpaceTable | None = None,
    ) -> None:
        """Prepares a search of `space` at upscaling factor `scale`.

        `minimized` names the costs to minimize. `steps` is the length of a full training in optimiser steps, and
        `levels` are the lengths of shorter trainings that the model may learn from. `trials` is the planned number of
        trials, each of which is the mean of `seeds` trainings. `table` holds the costs of the space; without it, the search computes them when it first needs them.
        Raises UserError if `minimized` is empty or names a cost that the table does not hold.
        """
        unknown = [name for name in minimized if name not in ADDITIVE]
        if unknown or not minimized:
            raise UserError(
                f"search.sampler: pareto needs costs among {', '.join(ADDITIVE)} to minimize, got "
                f"{', '.join(minimized) or 'none'}; choose another sampler"
            )
        self.levels = tuple(sorted({steps, *levels}, reverse=True))
        self.space, self.constraints, self.scale = space, tuple(constraints), scale
        self.minimized, self.steps, self.seed = tuple(minimized), steps, seed
        self.num_initial, self.seeds = min(INITIAL, max(1, trials // 4)), seeds
        self._given = table
        self.known: dict[int, Known] = {}
        self.earlier: list[tuple[int, int, float, int, float]] = []
        """Full trainings in earlier sweeps: (number of the sweep, row of the architecture, mean PSNR in dB, number of
        trainings, their sample variance in dB²)."""
        self.floor: float | None = None
        """The PSNR in dB that a network must exceed to be worth anything, such as bicubic's. None while it is unknown."""
        self.gain = float("inf")
        """The share by which the newest suggestion is expected to enlarge the hypervolume. Infinite until the model has made
        a suggestion."""

    @cached_property
    def table(self) -> SpaceTable:
        """The table of the architectures of the space and their costs."""
        given = self._given
        return SpaceTable(self.space, self.scale, self.seed) if given is None else given

    @cached_property
    def feasible(self) -> Ints:
        """Rows of the architectures that meet the constraints. Constraints on memory are ignored: the table lacks it."""
        return np.flatnonzero(self.table.feasible(self.constraints))

    @cached_property
    def features(self) -> Features:
        """The object that turns rows of the table into scaled costs and features."""
        return Features(self.table, self.feasible, self.minimized)

    def add(self, architecture: Architecture) -> None:
        """Adds a trial of `architecture`. The trial counts as running until `end` is called."""
        row = self.table.row(architecture)
        if row is not None:
            self.known.setdefault(row, Known(row=row))

    def observe(self, architecture: Architecture, step: int, psnr: float) -> None:
        """Stores the PSNR in dB that the trial of `architecture` reached after `step` optimiser steps."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].curve[step] = psnr

    def repeat(self, architecture: Architecture, step: int, count: int, variance: float) -> None:
        """Stores that the PSNR at `step` is the mean of `count` trainings, with their sample `variance` in dB²."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].repeats[step] = (count, variance)

    def end(self, architecture: Architecture, *, failed: bool, stopped: bool = False) -> None:
        """Marks the trial of `architecture` as no longer running: it is complete, paused or stopped.

        With `failed`, the trial ended in an error, and the model ignores its results. With `stopped`, the trial will
        never be trained in full. The model learns from its results, but it is no member of the front.
        """
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].running = False
            self.known[row].failed, self.known[row].stopped = failed, stopped

    def resume(self, architecture: Architecture) -> None:
        """Marks the paused trial of `architecture` as running again."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].running, self.known[row].stopped = True, False

    def warm_start(
        self,
        sweep: int,
        architecture: Architecture,
        psnr: float,
        count: int = 1,
        variance: float = 0.0,
    ) -> None:
        """Lets the model learn from a full training of `architecture` in an earlier sweep, which reached `psnr` in dB.

        `sweep` is the number of the earlier sweep, counted from 0. `psnr` is the mean of `count` trainings, with their
        sample `variance` in dB². The architecture still counts as untried.
        """
        row = self.table.row(architecture)
        if row is not None:
            self.earlier.append((sweep, row, psnr, count, variance))
            self.num_initial = min(self.num_initial, INITIAL_WHEN_WARM)

    def ask(self, number: int) -> Architecture | None:
        """Returns the architecture for trial `number`, or None if all feasible architectures were tried."""
        with _ONE_THREAD.limit(limits=1, user_api="blas"):
            return self._ask(number)

    def _ask(self, number: int) -> Architecture | None:
        random = np.random.default_rng([self.seed, number])
        left = self._untried()
        if not len(left):
            return None
        seen = self._observations()
        if number < self.num_initial or len(np.unique(seen.trial)) < min(3, self.num_initial):
            row = self._far(left, random)
        else:
            row = self._best(left, seen, random)
        self.known[row] = Known(row=row)
        return self.table.architecture(row)

    def _untried(self) -> Ints:
        tried = np.zeros(len(self.table), np.bool_)
        tried[list(self.known)] = True
        return self.feasible[~tried[self.feasible]]

    def _far(self, left: Ints, random: np.random.Generator) -> int:
        """Returns the row of an untried architecture that is unlike the tried ones.

        The first architecture of a search has middling costs. Among a random half of the untried
        architectures, each later one has the features farthest from the tried architectures. The random half makes
        searches with different seeds differ.
        """
        if not self.known:
            total = np.sum([self.features.log_costs[name][left] for name in self.minimized], 0)
            place = random.uniform(0.35, 0.65)
            return int(left[np.argsort(total, kind="stable")[int(place * len(left))]])
        drawn = random.choice(left, min(MAX_CANDIDATES, -(-len(left) // 2)), replace=False)
        known = self.features.of(np.array(list(self.known), np.int64))
        features = self.features.of(drawn)
        distance = np.min([np.square(features - one).sum(1) for one in known], 0)
        return int(drawn[np.argmax(distance)])

    def _best(self, left: Ints, seen: Observations, random: np.random.Generator) -> int:
        model = Surrogate(
            seen,
            self.features.groups,
            self.features.is_cost,
            floor=self._worthless(),
            seeds=self.seeds,
        )
        running = [k.row for k in self.known.values() if k.running]
        if running:
            rows = np.array(running)
            model.believe(self.features.of(rows), model.predict(self.features.of(rows))[0])
        candidates = self._candidates(left, random)
        mean, deviation = model.predict(self.features.of(candidates))
        front_costs, front_psnr, floor = self._front(model)
        budgets = Budgets(front_costs, front_psnr, floor)
        costs = self.features.costs(candidates)
        gains = budgets.expected_gain(costs, mean, deviation, model.top)
        best = int(np.argmax(gains))
        self.gain = float(gains[best] / max(budgets.volume, 1e-12))
        if gains[best] <= 0:  # no candidate is expected to help: learn the most instead
            best = int(np.argmax(deviation))
        return int(candidates[best])

    def _front(self, model: Surrogate) -> tuple[Floats, Floats, float]:
        """Returns the scaled costs and the PSNR of the networks that are or may be trained in full, and the floor in dB.

        For a trial that is running or paused, the PSNR is a prediction. A trial that was stopped will never be a
        network of the front, so it is left out.
        """
        able = [known for known in self.known.values() if not known.failed]
        rows = np.array([known.row for known in able], np.int64)
        psnr = model.psnr(model.predict(self.features.of(rows))[0])
        for place, known in enumerate(able):
            psnr[place] = known.curve.get(self.steps, psnr[place])
        counts = np.array([not known.stopped or self.steps in known.curve for known in able])
        return self.features.costs(rows[counts]), psnr[counts], self._least_psnr(psnr)

    def _worthless(self) -> float | None:
        """Returns bicubic's PSNR in dB, or None if it is unknown or seems out of reach."""
        ends = [k.curve[self.steps] for k in self.known.values() if self.steps in k.curve]
        in_vain = self.floor is not None and len(ends) >= PATIENCE and max(ends) <= self.floor
        return None if in_vain else self.floor

    def _least_psnr(self, psnr: Floats) -> float:
        """Returns the floor of the hypervolume in dB: bicubic's PSNR, or else about the lowest value of `psnr`."""
        floor = self._worthless()
        if floor is not None:
            return floor
        usual = np.median(psnr) - 6 * np.median(np.abs(psnr - np.median(psnr)))
        return float(max(psnr.min(), usual) - 1e-3)

    def _candidates(self, left: Ints, random: np.random.Generator) -> Ints:
        if len(left) <= MAX_CANDIDATES:
            return left
        complete = {r: k.curve[self.steps] for r, k in self.known.items() if self.steps in k.curve}
        near: set[int] = set()
        for row in self._non_dominated(complete):
            near.update(self.table.neighbours(row))
        free = np.zeros(len(self.table), np.bool_)
        free[left] = True
        close = np.array(sorted(row for row in near if free[row]), np.int64)
        if len(close) > MAX_CANDIDATES // 2:
            close = random.choice(close, MAX_CANDIDATES // 2, replace=False)
        drawn = left[random.integers(0, len(left), MAX_CANDIDATES - len(close))]
        return np.unique(np.concatenate([close, drawn]))

    def _non_dominated(self, psnr: dict[int, float]) -> list[int]:
        rows = np.array(list(psnr), np.int64)
        costs, values = self.features.costs(rows), np.array(list(psnr.values()))
        return [
            int(rows[i])
            for i in range(len(rows))
            if not ((costs <= costs[i]).all(1) & (values > values[i])).any()
        ]

    def _observations(self) -> Observations:
        """Returns the measured PSNRs. Each length of training is a task, and so is each earlier sweep.

        PSNRs of a shorter length count only if some trial ended or paused at that length. Otherwise they are
        evaluations on the way to a full training. They say little more than the final PSNR and would make the model
        too certain.
        """
        halted = {
            max(k.curve) for k in self.known.values() if k.curve and not k.running and not k.failed
        }
        levels = {step for step in self.levels if step in halted} | {self.steps}
        points = [
            (step, k.row, psnr)
            for k in self.known.values()
            if not k.failed
            for step, psnr in k.curve.items()
            if step in levels
        ]
        points = self._kept(points)
        rows = [row for _, row, _ in points] + [row for _, row, *_ in self.earlier]
        task = [self.levels.index(step) for step, _, _ in points]
        task += [len(self.levels) + sweep for sweep, *_ in self.earlier]
        psnr = [value for _, _, value in points] + [value for _, _, value, *_ in self.earlier]
        repeats = [self.known[row].repeats.get(step, (1, 0.0)) for step, row, _ in points]
        repeats += [(count, variance) for *_, count, variance in self.earlier]
        return Observations(
            features=self.features.of(np.array(rows, np.int64)),
            task=np.array(task, np.int64),
            trial=np.array(rows, np.int64),
            psnr=np.array(psnr, np.float64),
            count=np.array([count for count, _ in repeats], np.int64),
            variance=np.array([variance for _, variance in repeats], np.float64),
        )

    def _kept(self, points: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
        """Returns at most MAX_OBSERVED of the `points` (step, row, PSNR), ordered by falling step.

        The longest trainings are kept. If those of one length do not all fit, half of the room goes to the
        non-dominated ones. Half of what is left goes to the newest ones, which say what the search looks at now. The
        rest are evenly spaced older ones, which keep it from returning to regions that were poor.
        """
        kept: list[tuple[int, int, float]] = []
        for level in self.levels:
            own = [point for point in points if point[0] == level]
            room = MAX_OBSERVED - len(kept)
            if len(own) > room:
                best = set(self._non_dominated({row: psnr for _, row, psnr in own}))
                front = [point for point in own if point[1] in best]
                front = [front[i] for i in spaced(len(front), min(len(front), room // 2))]
                rest = [point for point in own if point[1] not in best]
                left = room - len(front)
                split = max(0, len(rest) - (left + 1) // 2)
                older = [rest[i] for i in spaced(split, min(split, left // 2))]
                own = [*front, *older, *rest[split:]]
            kept += own
        return kept
