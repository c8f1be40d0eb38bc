"""The search behind `sampler: pareto`: the next architecture by expected improvement of the hypervolume.

A table holds every feasible architecture with its exact costs. A model (`sweeps.search.pareto.surrogate`) learns only
the PSNR, from full and shorter trainings. The next architecture is the one that is expected to add the most to the
hypervolume, with costs on logarithmic axes (`sweeps.search.pareto.expected_improvement`). The first few suggestions
lie far apart in costs and knobs, so that the model has something to learn from.
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
from sweeps.search.pareto.surrogate import Floats, Ints, Observations, Surrogate

MAX_CANDIDATES = 2_000
"""Largest number of architectures to choose from. When more are left, the search takes neighbours of the front and a
random sample."""
MAX_OBSERVED = 800
"""Trainings that the model learns from, the longest first."""
INITIAL = 4
"""Suggestions that lie far apart before the model chooses. More of them would leave fewer for the model."""
INITIAL_WHEN_WARM = 2
"""The same number when the model has learnt from earlier sweeps."""
PATIENCE = 12
"""Full trainings without one better than bicubic, after which the search improves the front below bicubic."""
_ONE_THREAD = ThreadpoolController()
"""Limits BLAS to one thread. Small matrices are slower on several, especially beside trainings that use all cores."""


@dataclass(kw_only=True)
class Known:
    """What is known about one architecture in the table."""

    row: int
    curve: dict[int, float] = field(default_factory=dict)
    """Step -> PSNR in dB."""
    running: bool = True
    failed: bool = False


class ParetoSearch:
    """Suggests feasible architectures that were not tried yet."""

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
        table: SpaceTable | None = None,
    ) -> None:
        """Prepare a search; the table of costs is built on first use unless `table` is given.

        `minimized` names the costs among the objectives, `steps` is the length of a full training, and `levels` are
        the lengths of shorter ones that the model learns from. Raises UserError when `minimized` is empty or names a
        cost that the table does not hold.
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
        self.num_initial = min(INITIAL, max(1, trials // 4))
        self._given = table
        self.known: dict[int, Known] = {}
        self.earlier: list[tuple[int, int, float]] = []
        """(number of the sweep, row, PSNR in dB) of full trainings in earlier sweeps."""
        self.floor: float | None = None
        """PSNR in dB at or below which a network is worth nothing: bicubic's. None when unknown."""
        self.gain = float("inf")
        """Relative growth of the hypervolume expected from the newest suggestion; infinite before the model chooses."""

    @cached_property
    def table(self) -> SpaceTable:
        """The architectures of the space with their costs."""
        given = self._given
        return SpaceTable(self.space, self.scale, self.seed) if given is None else given

    @cached_property
    def feasible(self) -> Ints:
        """Rows that meet the constraints on costs in the table."""
        return np.flatnonzero(self.table.feasible(self.constraints))

    @cached_property
    def features(self) -> Features:
        """Costs and features of the table's rows."""
        return Features(self.table, self.feasible, self.minimized)

    def add(self, architecture: Architecture) -> None:
        """Learn of a trial. It counts as running until `end`."""
        row = self.table.row(architecture)
        if row is not None:
            self.known.setdefault(row, Known(row=row))

    def observe(self, architecture: Architecture, step: int, psnr: float) -> None:
        """Learn the PSNR in dB of a trial after `step` optimiser steps."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].curve[step] = psnr

    def end(self, architecture: Architecture, *, failed: bool) -> None:
        """Learn that a trial no longer runs: it is complete, paused, stopped or, with `failed`, failed."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].running = False
            self.known[row].failed = failed

    def resume(self, architecture: Architecture) -> None:
        """Learn that a paused trial is running again."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].running = True

    def warm_start(self, sweep: int, architecture: Architecture, psnr: float) -> None:
        """Learn the PSNR in dB of a full training in an earlier sweep; `sweep` counts those from 0.

        The architecture may still be suggested.
        """
        row = self.table.row(architecture)
        if row is not None:
            self.earlier.append((sweep, row, psnr))
            self.num_initial = min(self.num_initial, INITIAL_WHEN_WARM)

    def ask(self, number: int) -> Architecture | None:
        """Return an architecture for trial `number`; None when all feasible ones were tried."""
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
        """Return an architecture of middling costs at first, then the one whose features are farthest from the known.

        It looks only at a random half, so that another seed begins elsewhere.
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
            seen, self.features.groups, self.features.is_cost, floor=self._worthless()
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
        """Return the costs and the PSNR of the trials, and the floor. Unfinished trials have their expected PSNR."""
        rows = np.array([k.row for k in self.known.values() if not k.failed], np.int64)
        psnr = model.psnr(model.predict(self.features.of(rows))[0])
        for place, row in enumerate(rows):
            psnr[place] = self.known[int(row)].curve.get(self.steps, psnr[place])
        return self.features.costs(rows), psnr, self._least_psnr(psnr)

    def _worthless(self) -> float | None:
        """Return bicubic's PSNR in dB; None when it is unknown or seems out of reach."""
        ends = [k.curve[self.steps] for k in self.known.values() if self.steps in k.curve]
        in_vain = self.floor is not None and len(ends) >= PATIENCE and max(ends) <= self.floor
        return None if in_vain else self.floor

    def _least_psnr(self, psnr: Floats) -> float:
        """Return the floor of the hypervolume in dB: bicubic's PSNR, or about the worst of `psnr`."""
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
        """Return the measured PSNRs. Each length of training is a task, and so is each earlier sweep.

        A shorter length counts only when some trial ended there. An evaluation on the way to a full training says
        little beside that training, and counting it would make the model too certain.
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
        points.sort(key=lambda point: -point[0])
        points = points[:MAX_OBSERVED]
        rows = [row for _, row, _ in points] + [row for _, row, _ in self.earlier]
        task = [self.levels.index(step) for step, _, _ in points]
        task += [len(self.levels) + sweep for sweep, _, _ in self.earlier]
        psnr = [value for _, _, value in points] + [value for _, _, value in self.earlier]
        return Observations(
            features=self.features.of(np.array(rows, np.int64)),
            task=np.array(task, np.int64),
            trial=np.array(rows, np.int64),
            psnr=np.array(psnr, np.float64),
        )
