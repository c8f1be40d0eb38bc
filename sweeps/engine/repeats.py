"""All trials of one architecture. A sweep with `seeds: 3` trains each architecture as three trials.

The first trial has the sweep's own `seed`, and the further trials have the seeds after it. Further trials start once the
first one is complete, and train to the last rung without a pause. The search and the front see an architecture once, with
its means over the complete trials.

A new architecture reserves `seeds` numbers in a row: with `seeds: 3`, the trials 6, 7 and 8 are the third architecture.
A number stays unused if its trial never starts, because the first trial failed or was stopped. If `seeds` was raised
later, the additional trials get the next free numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, variance

from searchspace.architecture import Architecture
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.trial_state import Trial
from sweeps.search.sampler import Scatter
from sweeps.search.settings import MEASURED


@dataclass(kw_only=True)
class Repeats:
    """The trials of one architecture, and the number of trials that it should get."""

    trials: list[Trial]
    """The first trial, then the further ones in the order in which they were stored."""
    wanted: int
    """Number of trials that the architecture should get. It falls if `search.steps` or `search.hours` is used up."""

    @property
    def first(self) -> Trial:
        """The trial with the sweep's own seed. It alone takes part in halving, and it alone measures a latency."""
        return self.trials[0]

    @property
    def architecture(self) -> Architecture:
        """The architecture that all the trials train."""
        return self.first.architecture

    @property
    def complete(self) -> list[Trial]:
        """The complete trials. The score of the architecture is the mean over these trials."""
        return [trial for trial in self.trials if trial.state == "complete"]

    @property
    def is_due(self) -> bool:
        """Whether another trial with a further seed should start."""
        return self.first.state == "complete" and len(self.trials) < self.wanted

    @property
    def is_finished(self) -> bool:
        """Whether no trial runs, waits or is due."""
        return not self.is_due and all(trial.is_finished for trial in self.trials)

    @property
    def steps(self) -> list[int]:
        """The optimiser steps at which at least one trial was evaluated, in ascending order."""
        return sorted({step for trial in self.trials for step in trial.curve})

    def values(self, config: SweepConfig) -> dict[str, float]:
        """Returns the costs of the network, its latencies, and the mean of each measured objective, by name.

        The means are those over the complete trials. At least one trial must be complete.
        """
        scores = [trial.scores for trial in self.complete]
        names = [name for name in MEASURED if name in scores[0]]
        return self.first.values(config) | {name: fmean(s[name] for s in scores) for name in names}

    def report(self, step: int) -> tuple[dict[str, float], dict[str, Scatter]]:
        """Returns the mean of each measured objective after `step` optimiser steps, and the scatter behind the mean.

        An objective that only one trial has measured has no scatter.
        """
        scores = [trial.curve[step] for trial in self.trials if step in trial.curve]
        means, scatter = {}, {}
        for name in MEASURED:
            found = [each[name] for each in scores if name in each]
            if found:
                means[name] = fmean(found)
            if len(found) > 1:
                scatter[name] = Scatter(count=len(found), variance=variance(found))
        return means, scatter


def grouped(trials: Iterable[Trial], config: SweepConfig) -> dict[str, Repeats]:
    """Returns the trials by the key of their architecture. `trials` must be sorted by number."""
    found: dict[str, Repeats] = {}
    for trial in trials:
        add(found, trial, config)
    return found


def add(repeats: dict[str, Repeats], trial: Trial, config: SweepConfig) -> Repeats:
    """Adds a trial to the trials of its architecture, and returns all trials of the architecture."""
    known = repeats.get(trial.architecture.key)
    if known is None:
        known = repeats[trial.architecture.key] = Repeats(trials=[], wanted=config.seeds)
    known.trials.append(trial)
    known.wanted = max(known.wanted, len(known.trials))
    return known


def next_seed(repeats: Repeats, config: SweepConfig) -> int:
    """Returns the seed of the architecture's next trial: the smallest from the sweep's own seed on that is unused."""
    used = {trial.seed for trial in repeats.trials}
    return next(seed for seed in _from(config.seed) if seed not in used)


def next_number(
    trials: Mapping[int, Trial], repeats: Iterable[Repeats], config: SweepConfig
) -> int:
    """Returns the number of the first trial of a new architecture: the next one that is neither used nor reserved."""
    used = max(trials, default=-1) + 1
    if config.seeds == 1:
        return used  # each architecture reserves the number that it uses
    return max(used, max((each.first.number + config.seeds for each in repeats), default=0))


def number_for(
    own: Repeats, trials: Mapping[int, Trial], repeats: Mapping[str, Repeats], config: SweepConfig
) -> int:
    """Returns the number of the next trial of the architecture `own`: one of its reserved numbers, if it has one left."""
    reserved = own.first.number + next_seed(own, config) - config.seed
    between = range(own.first.number + 1, reserved + 1)
    # Another trial in between shows that the architecture reserved fewer numbers, when `seeds` was smaller.
    foreign = [n for n in between if n in trials and trials[n] not in own.trials]
    if reserved not in trials and not foreign:
        return reserved
    return next_number(trials, repeats.values(), config)


def owed_steps(repeats: Iterable[Repeats], config: SweepConfig) -> int:
    """Returns the optimiser steps of all further trials that have not started and whose first trial will complete."""
    if config.seeds == 1:
        return 0
    last = len(config.rungs) - 1
    missing = [
        each.wanted - len(each.trials)
        for each in repeats
        if each.first.target == last and each.first.state not in ("stopped", "failed")
    ]
    return sum(missing) * config.rungs[-1]


def _from(start: int) -> Iterator[int]:
    while True:
        yield start
        start += 1
