"""A sweep in progress: what to train next, and what becomes of every result.

Every driver talks to a `Sweep` and to nothing else. A driver calls `next_segment`, runs the segment wherever it
likes, and passes every record to `handle`. All writing, retrying and deciding happens here, in one process. After a
crash, a new `Sweep` is built from the stored rows and continues.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence

from searchspace.cost import costs
from searchspace.table.space_table import SpaceTable
from sweeps.capacity.gpu_share import Share
from sweeps.capacity.settings import AUTO
from sweeps.checkpoints.retention import forget_weights
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.limits import GAIN, Patience, affordable, without_weights
from sweeps.engine.outcomes import (
    SweepFailed,
    blocking_fault,
    check_failures,
    settle,
    with_device_checked,
)
from sweeps.engine.teaching import bicubic_score, make_suggester, teach_earlier_sweeps, tell
from sweeps.engine.trial_state import Trial
from sweeps.log import log_failure, log_of
from sweeps.measure.latency_objective import FACT
from sweeps.messages import TRACEBACK
from sweeps.records import Evaluation, Measurement, Outcome, Record, TrialRow
from sweeps.search.halving import next_promotion
from sweeps.store.store import LEASE_SECONDS, Store, StoreError
from sweeps.train.segment import Segment

CLOSING_SECONDS = 10.0
"""How long a driver that ends waits for a database that does not answer."""


class Sweep:
    """The state of one sweep. It always equals what the database holds."""

    def __init__(
        self,
        config: SweepConfig,
        store: Store,
        *,
        holder: str,
        on_change: Callable[["Sweep", Record | None], None] = lambda sweep, record: None,
        lease_seconds: float = LEASE_SECONDS,
        patient: bool = False,
        table: SpaceTable | None = None,
    ) -> None:
        """Open the sweep in `store`, take its lease, and restore its trials.

        `table` holds the exact costs of the whole space, if the caller has computed them. Raises StoreError for a
        stored sweep with other settings, and SweepTaken while another driver holds the lease.
        """
        self.config, self.store, self.on_change = config, store, on_change
        self.table = table
        # First, so that a space from which nothing can be suggested leaves no sweep behind in the database.
        self.suggester = make_suggester(config, table)
        self.id = store.open_sweep(config.name, config.scale, config.comparable)
        self.token = store.acquire_lease(self.id, holder, lease_seconds, patient=patient)
        self.keeper = store.keep_lease()
        self.trials: dict[int, Trial] = {}
        self.waiting: deque[Trial] = deque()
        self.running: dict[int, Trial] = {}
        self.freed: set[int] = set()
        """Numbers of the trials whose training states were deleted."""
        self.exhausted = False
        self.why_ended = ""
        """Why the sweep started fewer trials than it was asked for. Empty while it still may."""
        self.patience = Patience(config.search.min_gain)
        self._due: Trial | None = None
        """The trial that halving promotes next."""
        self.latency_key = store.facts(self.id).get(FACT, "")
        """Device, runtime and size that every latency of the sweep belongs to. Empty before the first latency."""
        self._blocked = ""
        """What a person must mend before the sweep can continue. Empty if nothing."""
        gpu = config.resources.gpu
        self.share = Share(gpu=0.0 if gpu == AUTO else float(gpu))
        """The share of a GPU that one trial gets. The driver sets it through `reserve`."""
        try:
            teach_earlier_sweeps(self.suggester, store, self.id)
            self._restore(store.trials(self.id))
            self.patience.recall(self.trials, store.facts(self.id))
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> list[Trial]:
        """Trials that are complete, stopped or failed."""
        return [trial for trial in self.trials.values() if trial.is_finished]

    @property
    def done(self) -> bool:
        """Whether the sweep has ended: nothing runs, and nothing is left to start."""
        return not (self.waiting or self.running or self._due or self._may_ask)

    @property
    def _may_ask(self) -> bool:
        few = len(self.trials) < self.config.search.trials
        return few and not self.exhausted and self._affordable(self.config.rungs[0])

    def _affordable(self, steps: int) -> bool:
        return affordable(self.trials.values(), self.config, steps)

    def reserve(self, share: Share) -> None:
        """Set the share of a GPU that one trial gets. A network that is predicted to need more is trained alone."""
        self.share = share
        for trial in self.trials.values():
            trial.alone = trial.alone or not share.has_room_for(trial.architecture)

    def next_segment(self) -> Segment | None:
        """The next segment to train, or None if nothing can start now. `done` tells whether the sweep has ended.

        The trial is stored before its segment is handed out. Raises SweepFailed if too many trials have failed or
        a fault of the machine stops the sweep.
        """
        self.keeper.check()
        if self._blocked:
            raise SweepFailed(self._blocked)
        check_failures(self.trials.values(), self.config)
        trial = self._next_trial()
        if trial is None:
            self._give_up_paused()
            return None
        until_step = self.config.rungs[trial.target]
        if not trial.is_new:
            trial.attempt = self.store.begin_attempt(trial.id, until_step)
        trial.is_new = False
        trial.state, trial.begun = "running", time.monotonic()
        self.running[trial.number] = trial
        self._note_neighbours(trial)
        self._look_for_promotion()
        self.on_change(self, None)
        return trial.segment(self.config, self.share, self.latency_key)

    def _note_neighbours(self, begun: Trial) -> None:
        """Note which trials run beside each other. The note outlives the neighbour, which may end first."""
        begun.had_neighbours = len(self.running) > 1
        for trial in self.running.values():
            trial.had_neighbours |= begun.had_neighbours

    def handle(self, segment: Segment, *records: Record) -> None:
        """Store what a segment reports. An outcome and the evaluation before it share one transaction.

        Records of an attempt that was given up are dropped.
        """
        self.keeper.check()
        trial = self.trials[segment.number]
        if trial.attempt != segment.attempt or segment.number not in self.running:
            return
        evaluations = [record for record in records if isinstance(record, Evaluation)]
        measured = [each for evaluation in evaluations for each in evaluation.measurements]
        if measured and not isinstance(records[-1], Outcome):
            self.store.record(trial.id, trial.attempt, measured)
        for record in records:
            trial.step = max(trial.step, record.step)
            if isinstance(record, Evaluation):
                self._take(trial, record)
            elif isinstance(record, Outcome):
                ended = record.completed(trial.step, time.monotonic() - trial.begun)
                self._end(trial, ended, measured)
            self.on_change(self, record)

    def _take(self, trial: Trial, evaluation: Evaluation) -> None:
        if evaluation.step not in trial.curve:
            trial.machine_faults = 0
        trial.take(evaluation.measurements)
        self._adopt_latency(trial)
        self.suggester.report(trial.architecture, evaluation.step, trial.scores)

    def _end(self, trial: Trial, outcome: Outcome, measured: Sequence[Measurement]) -> None:
        """End an attempt and store `measured` with its outcome."""
        del self.running[trial.number]
        outcome = with_device_checked(trial, outcome, self.latency_key)
        stored, again = settle(trial, outcome, self.config)
        if TRACEBACK in outcome.error:
            self._log(trial, outcome)
        if again:
            self.waiting.append(trial)
        self._blocked = blocking_fault(trial, outcome, self.config) or self._blocked
        # The row comes first: after a crash in between, the search is rebuilt from the row.
        self.store.end_attempt(trial.id, trial.attempt, stored, trial.state, measured)
        tell(self.suggester, trial, self.config)
        self._look_for_promotion()
        self._free_weights()
        if self.done:
            self._give_up_paused()

    def _log(self, trial: Trial, outcome: Outcome) -> None:
        """Keep the traceback of a fault in the program in the log beside the database, and name the log."""
        where = f"sweep {self.config.name}, trial {trial.number}, attempt {trial.attempt}, {outcome.host}"
        log = log_of(self.config.storage)
        if log_failure(log, f"{where}\n{outcome.error}") and trial.error:
            trial.error += f"; traceback in {log}"

    def _adopt_latency(self, trial: Trial) -> None:
        """Take the trial's latency as a score. The first latency of the sweep fixes the device of all others."""
        if trial.timed and not self.latency_key:
            self.latency_key = next(iter(trial.timed))
            self.store.set_fact(self.id, FACT, self.latency_key)
        trial.adopt_latency(self.latency_key)

    def _next_trial(self) -> Trial | None:
        """A trial that was interrupted, else the one that halving promotes, else a new one.

        None if there is none, while a trial runs that must be alone, and while others run that it waits for.
        """
        if any(trial.alone for trial in self.running.values()):
            return None
        if self.waiting:
            must_wait = self.waiting[0].alone and self.running
            return None if must_wait else self.waiting.popleft()
        if self._due is not None:
            if self._due.alone and self.running:
                return None
            trial, self._due = self._due, None
            trial.target += 1
            self.suggester.resume(trial.architecture)
            return trial
        new = self._new_trial()
        if new is not None and new.alone and self.running:
            new.state = "paused"
            self.waiting.append(new)
            return None
        return new

    def _look_for_promotion(self) -> None:
        """Find the paused trial that halving promotes next, if any. Called after every change."""
        halving, rungs = self.config.search.halving, self.config.rungs
        if halving is None:
            return
        trials = [trial for trial in self.trials.values() if trial.state != "failed"]
        chosen = next_promotion(
            [trial.candidate(self.config) for trial in trials], len(rungs), halving.factor
        )
        self._due = None
        if chosen is not None:
            steps = rungs[chosen.target + 1] - rungs[chosen.target]
            self._due = self.trials[chosen.number] if self._affordable(steps) else None

    def _give_up_paused(self) -> None:
        """At the end of the sweep, record every trial that still waits for promotion as stopped."""
        if not self.done:
            return
        for trial in self.trials.values():
            if trial.state == "paused":
                trial.state = "stopped"
                self.store.set_state(trial.id, "stopped")
                tell(self.suggester, trial, self.config)
        self._free_weights()

    def _free_weights(self) -> None:
        """Delete the training states that `search.keep_weights` does not keep."""
        for trial in without_weights(self.trials.values(), self.config):
            if trial.number not in self.freed:
                self.freed.add(trial.number)
                forget_weights(trial.folder(self.config), trial.mirror(self.config))

    def _new_trial(self) -> Trial | None:
        if not self._may_ask:
            return None
        number = max(self.trials, default=-1) + 1
        sampler = self.suggester.sampler
        if sampler.lacks_floor:
            sampler.set_floor(bicubic_score(self.suggester, self.store.facts(self.id)))
        suggested = self.suggester.ask(number)
        self.patience.note(sampler.gain)
        if suggested is None or self.patience.is_over:
            self.exhausted = True
            self.why_ended = self.suggester.why_none or "further gains are below search.min_gain"
            return None
        stored = self.store.add_trial(
            self.id,
            number=number,
            architecture=suggested,
            seed=self.config.seed,
            costs=costs(suggested, self.config.scale),
            until_step=self.config.rungs[0],
        )
        if self.config.search.min_gain is not None:
            self.store.set_fact(self.id, f"{GAIN} {number}", repr(sampler.gain))
        trial = Trial(id=stored, number=number, architecture=suggested, attempt=1, is_new=True)
        trial.alone = not self.share.has_room_for(suggested)
        self.trials[number] = trial
        return trial

    def _restore(self, rows: list[TrialRow]) -> None:
        """Restore the stored trials. Finished trials teach the search, the others continue."""
        for row in rows:
            trial = Trial.restored(row, self.config)
            self._adopt_latency(trial)
            self.trials[trial.number] = trial
            self.suggester.restore(trial.architecture)
            for step, scores in trial.curve.items():
                self.suggester.report(trial.architecture, step, scores)
            # A trial that was cut short continues. A trial that had reached its rung waits for promotion.
            reached = self.config.rungs[trial.target] in trial.curve
            if trial.state == "running" or (trial.state == "paused" and not reached):
                trial.state = "paused"
                self.waiting.append(trial)
            else:
                tell(self.suggester, trial, self.config)
        self._look_for_promotion()

    def check_lease(self) -> None:
        """Raise SweepTaken if another driver has taken the sweep."""
        self.keeper.check()

    def close(self) -> None:
        """Record the running attempts as interrupted and release the lease, so that the next driver can start at once."""
        self.keeper.close()
        database = self.store.database
        database.retry_seconds = min(database.retry_seconds, CLOSING_SECONDS)
        # Without the database or the lease nothing can be written. The next driver then closes the open attempts.
        with contextlib.suppress(StoreError):
            # A new trial that waits to run alone has an open attempt since it was stored.
            begun = [*self.running.values(), *(trial for trial in self.waiting if trial.is_new)]
            self.running.clear()
            for trial in begun:
                seconds = 0.0 if trial.is_new else time.monotonic() - trial.begun
                trial.is_new = False
                interrupted = Outcome(step=trial.step, interrupted=True)
                interrupted = interrupted.completed(trial.step, seconds)
                self.store.end_attempt(trial.id, trial.attempt, interrupted, "paused")
            self.store.release_lease(self.id, self.token)
