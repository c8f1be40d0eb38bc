"""`sampler: pareto` together with halving: chooses the paused trial to train further, if there is one worth it.

Paused trials are candidates beside the untried configurations. Each candidate has an expected gain in hypervolume. The
gain of a paused trial takes into account its score at the rung, as far as this score corrects the prediction
(`sweeps.search.pareto.rungs`). The candidate with the largest gain per remaining optimiser step goes first. If the
scores at a rung are uninformative, every trial is therefore trained to its end, because it has fewer steps left than a
new one. Until LEARNT trials have been trained in
full, too little is known about the rungs, so every trial is trained to its end.

The method replaces the quota of successive halving (`sweeps.search.halving`). With that quota, `pareto` needed more
steps than without halving. `benchmarks/search/README.md` has the comparison.
"""

from collections.abc import Sequence
from copy import copy

import numpy as np

from sweeps.search.pareto.candidates import Candidates, Item
from sweeps.search.pareto.front import Belief
from sweeps.search.pareto.rungs import LARGEST, hints, sure_correlation
from sweeps.search.pareto.search import _ONE_THREAD, ParetoSearch
from sweeps.search.pareto.surrogate import Surrogate, closeness_at
from sweeps.search.pareto.trials import Known

LEARNT = 12
"""Number of full training runs from which the relation between the scores at a rung and the final scores is learnt."""
DOUBT = 2.0
"""A paused trial continues if its gain per step is at least that of a new one, divided by this number. A poor score at
a rung can mislead, so a trial stays paused only if it is clearly worse than a new one."""
MAX_HEARD = 400
"""Maximum number of trials whose scores at a rung the model takes into account. The newest trials are used."""


class HalvingSearch(ParetoSearch[Item]):
    """A search that also chooses paused trials to continue. It supports only a single score."""

    def __init__(
        self,
        candidates: Candidates[Item],
        *,
        seed: int,
        trials: int,
        steps: int,
        rungs: Sequence[int],
        seeds: int = 1,
    ) -> None:
        """`rungs` are the optimiser steps at which trials pause, all below `steps`.

        `ParetoSearch` describes the other arguments.
        """
        super().__init__(candidates, seed=seed, trials=trials, steps=steps, seeds=seeds)
        self.rungs = tuple(rungs)
        self._fitted: tuple[object, list[Surrogate]] | None = None
        """The results to which the models were fitted last, and these models."""

    def promote(self, number: int | None, waiting: Sequence[Item]) -> Item | None:
        """Returns the paused trial among `waiting` to train further, or None if none is worth it.

        Trial `number` would start instead. If `number` is None, the budget allows no new trial, and only a trial without
        any expected gain stays paused.
        """
        if not waiting:
            return None
        if len(self.trials.ends) < LEARNT or not self._halted():
            return waiting[0]
        with _ONE_THREAD.limit(limits=1, user_api="blas"):
            return self._promoted(number, waiting)

    def _promoted(self, number: int | None, waiting: Sequence[Item]) -> Item | None:
        belief = self._belief()
        rows = np.array([known.row for known in self._halted()], np.int64)
        mean, deviation = belief.models[0].predict_heard()
        costs, top = self.candidates.costs(rows), belief.models[0].top
        gains = belief.budgets.expected_gain(costs, mean, deviation, top)
        worth = {
            row: gain / (self.trials.steps - max(self._reached(self.known[row]), default=0))
            for row, gain in zip(rows.tolist(), gains.tolist(), strict=True)
        }
        places = [self.candidates.row(each) for each in waiting]
        of = [0.0 if row is None else worth.get(row, 0.0) for row in places]
        best = int(np.argmax(of))
        new = 0.0 if number is None else self._best_new(number, belief)
        is_best = of[best] > 0 and of[best] * DOUBT >= new / self.trials.steps
        return waiting[best] if is_best else None

    def _best_new(self, number: int, belief: Belief) -> float:
        """Returns the largest expected gain of an untried configuration, or 0 if all were tried."""
        random = np.random.default_rng([self.seed, number])
        left = self._untried(random)
        return float(self._compared(left, belief, random)[1].max()) if len(left) else 0.0

    def _models(self) -> list[Surrogate]:
        # Only full training runs change the fit, and trials pause more often than they complete.
        results = self._results()
        if self._fitted is None or self._fitted[0] != results:
            self._fitted = results, super()._models()
        models = [copy(model) for model in self._fitted[1]]
        halted = self._halted()
        if halted and len(self.trials.ends) >= LEARNT:
            self._hear(models[0], halted)
        return models

    def _results(self) -> object:
        """Returns a copy of everything that the fit depends on."""
        steps = self.trials.steps
        ends = []
        for known in self.known.values():
            if steps in known.curve and not known.failed:
                count, apart = known.repeats.get(steps, (1, np.zeros(1)))
                ends.append((known.row, *known.curve[steps], count, *apart))
        return list(self.floors), len(self.trials.earlier), ends

    def _hear(self, model: Surrogate, halted: Sequence[Known]) -> None:
        """Adds the newest score at a rung of each trial in `halted` to the model."""
        features = self.candidates.features(np.array([known.row for known in halted], np.int64))
        mean, deviation = model.predict(features)
        mean, deviation = (mean - model.centre) / model.spread, deviation / model.spread
        newest = np.array([max(self._reached(known)) for known in halted])
        target, variance = np.empty(len(halted)), np.empty(len(halted))
        errors = model.errors()
        for rung in np.unique(newest):
            at = newest == rung
            ended = [
                known
                for known in self.known.values()
                if known.row in errors and rung in known.curve
            ][-MAX_HEARD:]
            if len(ended) < LEARNT:
                target[at], variance[at] = mean[at], LARGEST
                continue
            own = [known for known, is_here in zip(halted, at, strict=True) if is_here]
            of = np.array([known.row for known in [*ended, *own]], np.int64)
            scores = np.array([known.curve[rung][0] for known in [*ended, *own]])
            closeness = closeness_at(scores, self._unit(0))
            apart = model.errors_of(self.candidates.features(of), closeness, len(ended))
            ends = np.array([errors[known.row] for known in ended])
            correlation = sure_correlation(ends, apart[: len(ended)])
            target[at], variance[at] = hints(
                correlation, apart[len(ended) :], mean[at], deviation[at]
            )
        model.hear(features, np.clip(target, -5, 5), variance)

    def _halted(self) -> list[Known]:
        """Returns the newest trials that have a score at a rung but none of a full training run."""
        able = [
            known
            for known in self.known.values()
            if not known.failed and self.trials.steps not in known.curve and self._reached(known)
        ]
        return able[-MAX_HEARD:]

    def _reached(self, known: Known) -> list[int]:
        """Returns the rungs at which the trial has a score."""
        return [rung for rung in self.rungs if rung in known.curve]
