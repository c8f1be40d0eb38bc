"""The search behind `sampler: pareto`. It suggests the configuration with the largest expected gain in hypervolume.

The candidates are architectures or other configurations whose costs are known exactly. A model
(`sweeps.search.pareto.surrogate`) predicts only the scores that have to be measured, such as the PSNR. It learns from
full training runs and from shorter ones. For each untried candidate, the search computes the expected gain in
hypervolume (`sweeps.search.pareto.expected_improvement`). The first few suggestions are chosen without the model. Their
costs and knobs differ widely, so that the model can learn from them.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from sweeps.search.pareto.candidates import Candidates, Item
from sweeps.search.pareto.climbing import Rated, climbed
from sweeps.search.pareto.expected_improvement import Gap
from sweeps.search.pareto.front import Belief, Front, budgets_of, non_dominated
from sweeps.search.pareto.surrogate import Floats, Ints, Surrogate
from sweeps.search.pareto.trials import MAX_OBSERVED, Earlier, Known, Trials

MAX_CANDIDATES = 2_000
"""Maximum number of configurations that the model compares first for a suggestion, before neighbours of the best ones.
If more configurations are untried, it compares neighbours of the Pareto front and a random sample."""
INITIAL = 4
"""Maximum number of suggestions without the model. It is small, so that most trials are left to the model."""
INITIAL_WHEN_WARM = 2
"""Maximum number of suggestions without the model if it has learnt from earlier sweeps."""
PATIENCE = 12
"""Number of full training runs after which the search ignores a floor that no configuration has exceeded. Networks
below the PSNR of bicubic then count too."""
_ONE_THREAD = ThreadpoolController()
"""Limits BLAS to one thread. Small matrices are slower on several threads, especially while training runs use all
cores."""


class ParetoSearch(Generic[Item]):
    """Suggests configurations that meet the constraints and have not been tried."""

    def __init__(
        self,
        candidates: Candidates[Item],
        *,
        seed: int,
        trials: int,
        steps: int = 1,
        levels: Sequence[int] = (),
        seeds: int = 1,
        objectives: int = 1,
        unit: float | None = 1.0,
    ) -> None:
        """Prepares a search among `candidates`.

        `steps` is the length of a full training run in optimiser steps. `levels` are the lengths of shorter runs that
        the model may learn from. `trials` is the planned number of trials. The result of a trial is the mean of `seeds`
        training runs. `objectives` is the number of scores that have to be measured. `unit` is a difference of scores
        that matters, such as 1 dB. If `unit` is None, the spread of the measured scores is used.
        """
        self.candidates, self.seed, self.seeds, self.unit = candidates, seed, seeds, unit
        self.num_initial = min(INITIAL, max(1, trials // 4))
        self.trials = Trials(steps, levels)
        self.floors: list[float | None] = [None] * objectives
        """For each objective, the score that a configuration must exceed to have any value, such as bicubic's PSNR.
        None while it is unknown."""
        self.volume = 0.0
        """The hypervolume of the front, on scaled axes, when the model made the newest suggestion."""
        self.gain = float("inf")
        """The expected gain of the newest suggestion, as a share of the hypervolume. Infinite until the model has made
        a suggestion."""

    @property
    def known(self) -> dict[int, Known]:
        """Maps the row of each configuration to its trial."""
        return self.trials.known

    def add(self, item: Item) -> None:
        """Adds a trial of `item`. The trial counts as running until `end` is called."""
        row = self.candidates.row(item)
        if row is not None:
            self.known.setdefault(row, Known(row=row))

    def forget(self, item: Item) -> None:
        """Removes the trial of `item`, which has never started."""
        row = self.candidates.row(item)
        if row is not None:
            self.known.pop(row, None)

    def observe(self, item: Item, step: int, scores: float | Sequence[float] | Floats) -> None:
        """Records the scores of the trial of `item` after `step` optimiser steps, one per objective."""
        row = self.candidates.row(item)
        if row in self.known:
            self.known[row].curve[step] = np.atleast_1d(np.asarray(scores, np.float64))

    def repeat(
        self, item: Item, step: int, count: int, variance: float | Sequence[float] | Floats
    ) -> None:
        """Records that the scores of `item` at `step` are means over `count` training runs with the sample variance `variance`."""
        row = self.candidates.row(item)
        if row in self.known:
            apart = np.atleast_1d(np.asarray(variance, np.float64))
            self.known[row].repeats[step] = (count, apart)

    def end(self, item: Item, *, failed: bool, stopped: bool = False) -> None:
        """Marks the trial of `item` as no longer running. It is complete, paused or stopped.

        With `failed`, the trial ended in an error, and the model ignores its results. With `stopped`, the trial will
        never be trained in full. The model learns from its results, but the trial is never on the front.
        """
        row = self.candidates.row(item)
        if row in self.known:
            self.known[row].running = False
            self.known[row].failed, self.known[row].stopped = failed, stopped

    def resume(self, item: Item) -> None:
        """Marks the paused trial of `item` as running again."""
        row = self.candidates.row(item)
        if row in self.known:
            self.known[row].running, self.known[row].stopped = True, False

    def warm_start(
        self,
        sweep: int,
        item: Item,
        scores: float | Sequence[float] | Floats,
        count: int = 1,
        variance: float | Sequence[float] | Floats = 0.0,
    ) -> None:
        """Adds the `scores` of a full training run of `item` in an earlier sweep to the model.

        `sweep` is the number of the earlier sweep, counted from 0. The scores are means of `count` training runs with
        the sample variance `variance`. The configuration still counts as untried.
        """
        row = self.candidates.row(item)
        if row is not None:
            means = np.atleast_1d(np.asarray(scores, np.float64))
            apart = np.broadcast_to(np.asarray(variance, np.float64), means.shape)
            earlier = Earlier(sweep=sweep, row=row, scores=means, count=count, variance=apart)
            self.trials.earlier.append(earlier)
            self.num_initial = min(self.num_initial, INITIAL_WHEN_WARM)

    def ask(self, number: int) -> Item | None:
        """Returns the configuration for trial `number`, or None if all feasible configurations were tried."""
        with _ONE_THREAD.limit(limits=1, user_api="blas"):
            return self._ask(number)

    def rate(self) -> tuple[Rated, Belief] | None:
        """Returns what is expected of untried configurations, or None if all feasible ones were tried. Changes nothing.

        At least one result must be known. In a large space, the configurations are those that a suggestion compares.
        """
        random = np.random.default_rng([self.seed, len(self.known)])
        left = self._untried(random)
        if not len(left):
            return None
        with _ONE_THREAD.limit(limits=1, user_api="blas"):
            belief = self._belief()
            return self._compared(left, belief, random), belief

    def _ask(self, number: int) -> Item | None:
        random = np.random.default_rng([self.seed, number])
        left = self._untried(random)
        if not len(left):
            return None
        num_seen = len(self.trials.rows_seen)
        if number < self.num_initial or num_seen < min(3, self.num_initial):
            row = self._far(left, random)
        else:
            row = self._best(left, random)
        row = self.candidates.keep(row)
        self.known[row] = Known(row=row)
        return self.candidates.item(row)

    def _untried(self, random: np.random.Generator) -> Ints:
        if self.candidates.grows:
            drawn = self.candidates.draw(self._front_rows(), random)
            return np.array([row for row in drawn.tolist() if row not in self.known], np.int64)
        tried = np.zeros(len(self.candidates), np.bool_)
        tried[list(self.known)] = True
        feasible = self.candidates.feasible
        return feasible[~tried[feasible]]

    @cached_property
    def _reach(self) -> NDArray[np.bool_]:
        """(rows,): whether each feasible row is cheap enough for the focus to add to the hypervolume."""
        reach = np.zeros(len(self.candidates), np.bool_)
        focus, feasible = self.candidates.focus, self.candidates.feasible
        assert focus is not None
        reach[feasible] = focus.reaches(self.candidates.costs(feasible))
        return reach

    def _in_focus(self, rows: Ints) -> Ints:
        """Returns those of `rows` (N,) whose costs lie in the focus, or an empty array if there is no focus."""
        focus = self.candidates.focus
        return rows[:0] if focus is None else rows[focus.holds(self.candidates.costs(rows))]

    def _far(self, left: Ints, random: np.random.Generator) -> int:
        """Returns the row of an untried configuration that is unlike the tried ones.

        The first configuration of a search has medium costs. Each later one is chosen from a random half of the untried
        configurations, but from at most MAX_CANDIDATES. It is the one whose features are the farthest from the tried
        ones. The random choice makes searches with different seeds differ. A focus has
        no effect here, because the model learns more from configurations that are far apart.
        """
        if not self.known:
            total = self.candidates.costs(left).sum(1)
            place = random.uniform(0.35, 0.65)
            return int(left[np.argsort(total, kind="stable")[int(place * len(left))]])
        drawn = random.choice(left, min(MAX_CANDIDATES, -(-len(left) // 2)), replace=False)
        known = self.candidates.features(np.array(list(self.known), np.int64))
        features = self.candidates.features(drawn)
        distance = np.min([np.square(features - one).sum(1) for one in known], 0)
        return int(drawn[np.argmax(distance)])

    def _best(self, left: Ints, random: np.random.Generator) -> int:
        belief = self._belief()
        self.volume = belief.budgets.volume
        rows, gains, deviations = self._compared(left, belief, random)
        best = int(np.argmax(gains))
        self.gain = float(gains[best] / max(self.volume, 1e-12))
        if gains[best] <= 0:  # no candidate is expected to help: learn the most instead
            best = int(np.argmax(deviations))
        return int(rows[best])

    def _belief(self) -> Belief:
        models = self._models()
        running = np.array([k.row for k in self.known.values() if k.running], np.int64)
        if len(running):
            features = self.candidates.features(running)
            for model in models:
                model.believe(features, model.predict(features)[0])
        front, tops = self._front(models), [model.top for model in models]
        return Belief(models, front, budgets_of(front, tops, self.candidates.focus))

    def _compared(self, left: Ints, belief: Belief, random: np.random.Generator) -> Rated:
        """Returns the untried rows that were compared, with their ratings. `left` holds all untried rows.

        Rows that cost too much for the focus are compared only if no others are left.
        """
        useful = left[self._reach[left]] if self.candidates.focus is not None else left
        left = useful if len(useful) else left

        def rate(rows: Ints) -> Rated:
            return rows, *self._gains(rows, belief)

        rated = rate(self._some(left, random))
        if len(left) > len(rated[0]) or self.candidates.grows:
            rated = climbed(rated, rate, self.candidates, self.known)
        return rated

    def _models(self) -> list[Surrogate]:
        """Returns one fitted model per objective."""
        ends = self.trials.ends
        front = set(self._front_rows()) if len(ends) > MAX_OBSERVED else set()
        return [
            Surrogate(
                self.trials.observations(self.candidates.features, objective, front),
                self.candidates.groups,
                self.candidates.is_cost,
                floor=self._worthless(objective),
                seeds=self.seeds,
                unit=self._unit(objective),
            )
            for objective in range(len(self.floors))
        ]

    def _gains(self, rows: Ints, belief: Belief) -> tuple[Floats, Floats]:
        """Returns the expected gains (N,) of `rows` (N,), and the deviations (N,) of the first score's closeness."""
        features = self.candidates.features(rows)
        models = belief.models
        mean, deviation = models[0].predict(features)
        gaps = []
        for model, floor in zip(models[1:], belief.front.floors[1:], strict=True):
            other, apart = model.predict(features)
            gaps.append(Gap(mean=-other - np.log(model.top - floor), deviation=apart))
        costs = self.candidates.costs(rows)
        gains = belief.budgets.expected_gain(costs, mean, deviation, models[0].top, gaps)
        return gains, deviation

    def _front(self, models: Sequence[Surrogate]) -> Front:
        """Returns the configurations that were trained in full or are training now.

        A trial that was stopped or is paused before its full training is left out. A stopped trial can never be on the
        front, and a paused one may never be trained further.
        """
        able = [known for known in self.known.values() if not known.failed]
        rows = np.array([known.row for known in able], np.int64)
        features = self.candidates.features(rows)
        scores = np.stack([model.psnr(model.predict(features)[0]) for model in models], 1)
        for place, known in enumerate(able):
            scores[place] = known.curve.get(self.trials.steps, scores[place])
        counts = np.array(
            [known.running or self.trials.steps in known.curve for known in able], np.bool_
        )
        worst = scores[counts] if counts.any() else scores
        return Front(
            costs=self.candidates.costs(rows[counts]),
            scores=scores[counts],
            floors=[self._least(objective, worst) for objective in range(len(models))],
        )

    def _unit(self, objective: int) -> float:
        """Returns `unit`, or the spread of the measured scores if `unit` is None and several scores are known."""
        ends = np.array([scores[objective] for scores in self.trials.ends.values()])
        if self.unit is not None or len(ends) < 2:
            return self.unit or 1.0
        usual = 1.4826 * np.median(np.abs(ends - np.median(ends)))
        return float(usual or ends.std() or 1.0)

    def _worthless(self, objective: int) -> float | None:
        """Returns the floor of an objective, or None if it is unknown or seems out of reach."""
        floor = self.floors[objective]
        ends = [float(scores[objective]) for scores in self.trials.ends.values()]
        in_vain = floor is not None and len(ends) >= PATIENCE and max(ends) <= floor
        return None if in_vain else floor

    def _least(self, objective: int, scores: Floats) -> float:
        """Returns the known floor of an objective, otherwise roughly the lowest of its `scores` (M, objectives)."""
        floor, own = self._worthless(objective), scores[:, objective]
        if floor is not None:
            return floor
        usual = np.median(own) - 6 * np.median(np.abs(own - np.median(own)))
        return float(max(own.min(), usual) - 1e-3 * self._unit(objective))

    def _some(self, left: Ints, random: np.random.Generator) -> Ints:
        """Returns the untried rows that the model compares first."""
        if len(left) <= MAX_CANDIDATES or self.candidates.grows:
            return left
        near = {other for row in self._front_rows() for other in self.candidates.neighbours(row)}
        free = np.zeros(len(self.candidates), np.bool_)
        free[left] = True
        close = np.array(sorted(row for row in near if free[row]), np.int64)
        if len(close) > MAX_CANDIDATES // 2:
            close = random.choice(close, MAX_CANDIDATES // 2, replace=False)
        room = MAX_CANDIDATES - len(close)
        drawn = left[random.integers(0, len(left), room)]
        if len(inside := self._in_focus(left)):  # it may be a small part of a large space
            drawn[: room // 2] = inside[random.integers(0, len(inside), room // 2)]
        return np.unique(np.concatenate([close, drawn]))

    def _front_rows(self) -> list[int]:
        """Returns the rows on the Pareto front of the full training runs."""
        ends = self.trials.ends
        if not ends:
            return []
        rows = np.array(list(ends), np.int64)
        front = non_dominated(self.candidates.costs(rows), np.stack(list(ends.values())))
        return [int(row) for row in rows[front]]
