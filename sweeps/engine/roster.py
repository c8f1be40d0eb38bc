"""The trials of a sweep in the driver's memory: those that were stored, and the next new ones."""

from collections import deque

from searchspace.architecture import Architecture
from searchspace.table.space_table import SpaceTable
from sweeps.capacity.gpu_share import Share
from sweeps.capacity.settings import AUTO
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.limits import GAIN, Patience, affordable
from sweeps.engine.repeats import (
    Repeats,
    add,
    grouped,
    next_number,
    next_seed,
    number_for,
    owed_steps,
)
from sweeps.engine.teaching import bicubic_score, make_suggester, teach_earlier_sweeps, tell
from sweeps.engine.trial_state import Trial
from sweeps.measure.latency_objective import FACT
from sweeps.store.store import Store


class Roster:
    """All trials of a sweep, and the search that suggests new ones. It stores each new trial before it returns it."""

    def __init__(self, config: SweepConfig, store: Store, table: SpaceTable | None) -> None:
        """Makes the search, then opens the sweep in `store`. Call `restore` once the sweep has its lease.

        `table` holds the exact costs of the whole space; None if the caller has not computed them. Raises StoreError if
        the sweep is stored with other settings.
        """
        self.config, self.store, self.table = config, store, table
        # The suggester is made first. If it refuses the space, no sweep is left behind in the database.
        self.suggester = make_suggester(config, table)
        self.id = store.open_sweep(config.name, config.scale, config.comparable)
        self.trials: dict[int, Trial] = {}
        """All trials of the sweep, by number."""
        self.repeats: dict[str, Repeats] = {}
        """The trials of each architecture, by its key, in the order in which the architectures were suggested."""
        self.waiting: deque[Trial] = deque()
        """Trials that need an attempt to reach their rung, in the order in which they will start."""
        self.exhausted = False
        """Whether the sweep has stopped asking for new architectures."""
        self.why_ended = ""
        """Why the sweep has stopped asking for new architectures before it had `search.trials` of them; else ''."""
        self.patience = Patience(config.search.min_gain)
        self.latency_key = ""
        """Device, runtime and size that all latencies of the sweep share; '' before the first latency."""
        gpu = config.resources.gpu
        self.share = Share(gpu=0.0 if gpu == AUTO else float(gpu))
        """The share of a GPU that one trial gets. `Sweep.reserve` sets it."""

    @property
    def may_ask(self) -> bool:
        """Whether the sweep may ask for a new architecture."""
        few = len(self.repeats) < self.config.search.trials
        return few and not self.exhausted and self.may_start

    @property
    def may_start(self) -> bool:
        """Whether the budget allows another architecture.

        A sampler that promotes trials itself expects that a new trial can be trained in full.
        """
        return self.affordable_in_full(0) if self.suggester.sampler.promotes else self.affordable(0)

    @property
    def repeatable(self) -> Repeats | None:
        """The first architecture that still needs a trial with another seed. None if no budget is left for that trial."""
        if self.config.seeds == 1:
            return None
        due = next((each for each in self.repeats.values() if each.is_due), None)
        allowed = due and affordable(self.trials.values(), self.config, self.config.rungs[-1])
        return due if allowed else None

    def affordable(self, rung: int) -> bool:
        """Returns whether the budget allows a trial to train from the rung before `rung` to `rung`.

        For the last rung, the budget must also allow the further seeds of the trial's architecture. Steps that other
        architectures need for their further seeds are set aside first.
        """
        return self._affordable(rung, rung)

    def affordable_in_full(self, rung: int) -> bool:
        """Returns whether the budget allows a trial to train from the rung before `rung` to the last one, as in
        `affordable`.
        """
        return self._affordable(rung, len(self.config.rungs) - 1)

    def _affordable(self, rung: int, until: int) -> bool:
        rungs, further = self.config.rungs, self.config.seeds - 1
        steps = rungs[until] - (rungs[rung - 1] if rung else 0)
        steps += further * rungs[-1] if until == len(rungs) - 1 else 0
        owed = owed_steps(self.repeats.values(), self.config)
        return affordable(self.trials.values(), self.config, steps + owed)

    def new_trial(self) -> Trial | None:
        """Returns the first trial of a new architecture; None if the sweep trains no further architecture."""
        if not self.may_ask:
            self.note_limit()
            return None
        number = next_number(self.trials, self.repeats.values(), self.config)
        self.set_floor()
        sampler = self.suggester.sampler
        suggested = self.suggester.ask(len(self.repeats))
        self.patience.note(sampler.gain)
        if suggested is None or self.patience.is_over:
            self.exhausted = True
            self.why_ended = self.suggester.why_none or "further gains are below search.min_gain"
            return None
        trial = self._added(suggested, number, self.config.seed, rung=0)
        if self.config.search.min_gain is not None:
            self.store.set_fact(self.id, f"{GAIN} {number}", repr(sampler.gain))
        return trial

    def set_floor(self) -> None:
        """Tells the sampler the score of bicubic, if the sampler lacks it and the database holds it."""
        sampler = self.suggester.sampler
        if sampler.lacks_floor:
            sampler.set_floor(bicubic_score(self.suggester, self.store.facts(self.id)))

    def note_limit(self) -> None:
        """Sets `why_ended` if `search.steps` or `search.hours` has ended the search before `search.trials`."""
        few = len(self.repeats) < self.config.search.trials
        if few and not self.exhausted and not self.may_start:
            hours = self.config.search.hours
            spent = sum(trial.seconds for trial in self.trials.values())
            over = hours is not None and spent >= hours * 3600
            self.why_ended = f"search.{'hours' if over else 'steps'} is used up"

    def further_trial(self) -> Trial | None:
        """Returns a new trial of a complete architecture, with the next seed; None if no such trial may start."""
        if self.config.seeds == 1:
            return None
        own, last = self.repeatable, len(self.config.rungs) - 1
        if own is None:
            self.give_up_seeds()
            return None
        number = number_for(own, self.trials, self.repeats, self.config)
        return self._added(own.architecture, number, next_seed(own, self.config), rung=last)

    def give_up_seeds(self) -> None:
        """Ends the wait for further seeds, which the budget no longer allows, and passes the means over fewer trials to
        the search.
        """
        for each in self.repeats.values():
            if each.is_due:
                each.wanted = len(each.trials)
                tell(self.suggester, each, self.config)

    def _added(self, network: Architecture, number: int, seed: int, *, rung: int) -> Trial:
        """Stores a new trial, whose first attempt trains to `rung`, and returns the trial."""
        id_ = self.store.add_trial(
            self.id,
            number=number,
            architecture=network,
            seed=seed,
            costs=self.config.known_costs(network),
            until_step=self.config.rungs[rung],
        )
        trial = Trial(id=id_, number=number, architecture=network, seed=seed, target=rung)
        trial.attempt, trial.is_new = 1, True
        trial.alone = not self.share.has_room_for(network)
        self.trials[number] = trial
        add(self.repeats, trial, self.config)
        return trial

    def restore(self) -> None:
        """Restores the stored trials. The search learns from all of them. Trials that have not finished continue."""
        teach_earlier_sweeps(self.suggester, self.store, self.id)
        facts = self.store.facts(self.id)
        self.latency_key = facts.get(FACT, "")
        for row in self.store.trials(self.id):
            trial = self.trials[row.number] = Trial.restored(row, self.config)
            self.adopt_latency(trial)
            # A trial that was interrupted continues. A trial that had reached its rung waits for promotion.
            reached = self.config.rungs[trial.target] in trial.curve
            if trial.state == "running" or (trial.state == "paused" and not reached):
                trial.state = "paused"
                self.waiting.append(trial)
        unfinished = {trial.number for trial in self.waiting}
        self.repeats = grouped(self.trials.values(), self.config)
        for each in self.repeats.values():
            self.suggester.restore(each.architecture)
            for step in each.steps:
                self.report(each, step)
            if each.first.number not in unfinished:
                tell(self.suggester, each, self.config)
        firsts = [each.first.number for each in self.repeats.values()]
        self.patience.recall(firsts, facts)

    def report(self, repeats: Repeats, step: int) -> None:
        """Tells the search the means of an architecture's trials after `step` optimiser steps."""
        self.suggester.report(repeats.architecture, step, *repeats.report(step))

    def adopt_latency(self, trial: Trial) -> None:
        """Adds the trial's latency to its scores. The sweep's first latency fixes the key of all later latencies."""
        if trial.timed and not self.latency_key:
            self.latency_key = next(iter(trial.timed))
            self.store.set_fact(self.id, FACT, self.latency_key)
        trial.adopt_latency(self.latency_key)
