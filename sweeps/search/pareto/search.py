"""`sampler: pareto`: the next architecture by expected hypervolume improvement with costs known exactly.

Every feasible architecture is in a table with its costs; only the PSNR is modelled (`sweeps.search.pareto.surrogate`), from
full and from shorter trainings. An architecture is worth the volume that it is expected to add to what is
dominated, costs on logarithmic axes: the improvement of the PSNR, in expectation, over the best that is known
at each budget, integrated over all budgets that it fits in. The first few suggestions lie far apart, in costs
and knobs alike.
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
"""Architectures among which one is chosen: all that are left of a small space, otherwise a random
sample and the neighbours of the front."""
MAX_OBSERVED = 800
"""Observations that the model keeps: full trainings first, then those of the longest."""
INITIAL = 4
"""First suggestions that lie far apart; each of them more is one that the model could have chosen."""
INITIAL_WHEN_WARM = 2
"""The same where earlier sweeps already taught the model."""
PATIENCE = 12
"""Full trainings, none of them above bicubic, after which the front below bicubic is looked for."""
_ONE_THREAD = ThreadpoolController()
"""Small matrices are slower on several threads, the more so beside trainings that keep the cores busy."""


@dataclass(kw_only=True)
class Known:
    """What is known of one architecture of the table."""

    row: int
    curve: dict[int, float] = field(default_factory=dict)
    """Step -> PSNR [dB]."""
    running: bool = True
    failed: bool = False


class ParetoSearch:
    """Suggests feasible architectures that have not been tried."""

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
        """`minimized`: the costs among the objectives; `steps`: of a full training; `levels`: the steps of
        shorter ones that the model looks at; `table`: of the space, made here where there is none yet.

        Raises ValueError for an objective that the table of costs does not hold.
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
        """(which sweep, row, PSNR) of full trainings of other sweeps."""
        self.floor: float | None = None
        """PSNR [dB] below which a network is worth nothing: bicubic's, where it is known."""
        self.gain = float("inf")
        """Expected relative growth of the hypervolume by the newest suggestion; infinite at first."""

    @cached_property
    def table(self) -> SpaceTable:
        """All architectures of the space."""
        given = self._given
        return SpaceTable(self.space, self.scale, self.seed) if given is None else given

    @cached_property
    def feasible(self) -> Ints:
        """Rows within the budget."""
        return np.flatnonzero(self.table.feasible(self.constraints))

    @cached_property
    def features(self) -> Features:
        """What the model sees of the table's rows."""
        return Features(self.table, self.feasible, self.minimized)

    def add(self, architecture: Architecture) -> None:
        """Take up a trial, running until `end`."""
        row = self.table.row(architecture)
        if row is not None:
            self.known.setdefault(row, Known(row=row))

    def observe(self, architecture: Architecture, step: int, psnr: float) -> None:
        """The PSNR [dB] of a trial after `step` optimiser steps."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].curve[step] = psnr

    def end(self, architecture: Architecture, *, failed: bool) -> None:
        """A trial is not running any more: complete, paused, stopped or failed."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].running = False
            self.known[row].failed = failed

    def resume(self, architecture: Architecture) -> None:
        """A paused trial is running again."""
        row = self.table.row(architecture)
        if row in self.known:
            self.known[row].running = True

    def warm_start(self, sweep: int, architecture: Architecture, psnr: float) -> None:
        """A full training of another sweep, numbered from 0: known as related, not as tried."""
        row = self.table.row(architecture)
        if row is not None:
            self.earlier.append((sweep, row, psnr))
            self.num_initial = min(self.num_initial, INITIAL_WHEN_WARM)

    def ask(self, number: int) -> Architecture | None:
        """An architecture for trial `number`; None where all feasible ones are tried."""
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
        """One of middling costs at first, then the farthest, in features, from what is known.

        Among a random half, so that another seed begins elsewhere.
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
        if gains[best] <= 0:  # nothing is expected to help: learn instead
            best = int(np.argmax(deviation))
        return int(candidates[best])

    def _front(self, model: Surrogate) -> tuple[Floats, Floats, float]:
        """Costs and PSNR of the trials, as measured in full or else as expected, and the least PSNR."""
        rows = np.array([k.row for k in self.known.values() if not k.failed], np.int64)
        psnr = model.psnr(model.predict(self.features.of(rows))[0])
        for place, row in enumerate(rows):
            psnr[place] = self.known[int(row)].curve.get(self.steps, psnr[place])
        return self.features.costs(rows), psnr, self._least_psnr(psnr)

    def _worthless(self) -> float | None:
        """Bicubic's PSNR [dB]; None where it is unknown or seems to be out of reach."""
        ends = [k.curve[self.steps] for k in self.known.values() if self.steps in k.curve]
        in_vain = self.floor is not None and len(ends) >= PATIENCE and max(ends) <= self.floor
        return None if in_vain else self.floor

    def _least_psnr(self, psnr: Floats) -> float:
        """Bicubic's, or else about the worst that was seen."""
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
        """All measured PSNRs; shorter trainings are tasks by their step, other sweeps one task.

        Shorter ones count where trials were halted there. Beside a full training of the same architecture
        they say little, and three observations in place of one make the model too sure.
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
