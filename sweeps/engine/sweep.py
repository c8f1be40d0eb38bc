"""A sweep in progress: it decides what to train next, and stores every result.

A driver uses only a `Sweep`. It calls `next_segment`, runs the segment in any process or on any machine, and passes
every record to `handle`. The `Sweep` makes all decisions and stores all results, in one process. After a crash, a new
`Sweep` is built from the stored rows and continues.
"""

import contextlib
import time
from collections.abc import Callable, Sequence

from searchspace.table.space_table import SpaceTable
from sweeps.capacity.gpu_share import Share
from sweeps.checkpoints.retention import forget_weights
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.limits import without_weights
from sweeps.engine.log import log_failure, log_of
from sweeps.engine.outcomes import (
    SweepFailed,
    blocking_fault,
    check_failures,
    settle,
    with_device_checked,
)
from sweeps.engine.repeats import Repeats
from sweeps.engine.roster import Roster
from sweeps.engine.teaching import tell
from sweeps.engine.trial_state import Trial
from sweeps.messages import TRACEBACK
from sweeps.records import Activity, Evaluation, Measurement, Outcome, Record
from sweeps.search.halving import next_promotion
from sweeps.store.store import LEASE_SECONDS, Store, StoreError
from sweeps.train.segment import Segment

CLOSING_SECONDS = 10.0
"""Maximum time, in seconds, that a closing driver retries a database that does not answer."""


class Sweep(Roster):
    """The state of one sweep in the driver's memory. It can be rebuilt from the database at any time."""

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
        """Opens the sweep in `store`, takes its lease, and restores its trials.

        `holder` names this driver in messages. `on_change` is called with the sweep and each record that was handled,
        and with the sweep and None when a segment starts. With `patient`, the constructor waits for the lease of a dead
        driver to expire. `table` holds the exact costs of the whole space, or is None if the caller has not computed
        them.

        Raises StoreError if the sweep is stored with other settings, and SweepTaken if another driver holds the lease.
        """
        super().__init__(config, store, table)
        self.on_change = on_change
        self.token = store.acquire_lease(self.id, holder, lease_seconds, patient=patient)
        self.keeper = store.keep_lease()
        self.running: dict[int, Trial] = {}
        """Trials that a driver is training, by number."""
        self.freed: set[int] = set()
        """Numbers of the trials whose training states were deleted."""
        self._holding: dict[str, Repeats] = {}
        """Maps the key of each architecture that has ended trials with training states to its trials."""
        self._has_failures = False
        """Whether a trial has failed. If not, the share of failures need not be computed."""
        self._due: Trial | None = None
        """The trial that halving promotes next; None if there is none."""
        self._is_undecided = False
        """Whether the sampler must first decide about `_due`."""
        self._blocked = ""
        """What the user must repair before the sweep can continue. Empty if there is nothing to repair."""
        try:
            self.restore()
            self._holding |= self.repeats
            self._has_failures = any(trial.state == "failed" for trial in self.trials.values())
            self._look_for_promotion()
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> list[Trial]:
        """The trials that are complete, stopped or failed."""
        return [trial for trial in self.trials.values() if trial.is_finished]

    @property
    def done(self) -> bool:
        """Whether the sweep has ended: no trial runs, and no trial is left to start."""
        if self.waiting or self.running or self.repeatable or self.may_ask:
            return False
        return self._promotion() is None

    def reserve(self, share: Share) -> None:
        """Sets the share of a GPU that one trial gets. A network that needs more memory is trained alone."""
        self.share = share
        for trial in self.trials.values():
            trial.alone = trial.alone or not share.has_room_for(trial.architecture)

    def next_segment(self) -> Segment | None:
        """Returns the next segment to train; None if no segment can start now, or if the sweep has ended (see `done`).

        The attempt is stored before its segment is returned. Raises SweepFailed if too many trials have failed or if
        machine faults stop the sweep, and StoreError if the database fails or another driver has taken the lease.
        """
        self.keeper.check()
        if self._blocked:
            raise SweepFailed(self._blocked)
        if self._has_failures:
            check_failures(self.trials.values(), self.config)
        trial = self._next_trial()
        if trial is None:
            self._give_up_paused()
            return None
        until_step = self.config.rungs[trial.target]
        if not trial.is_new:
            trial.attempt = self.store.begin_attempt(trial.id, until_step)
        trial.is_new = False
        trial.state, trial.begun, trial.doing = "running", time.monotonic(), ""
        self.running[trial.number] = trial
        self._note_neighbours(trial)
        self._look_for_promotion()
        self.on_change(self, None)
        return trial.segment(self.config, self.share, self.latency_key)

    def _note_neighbours(self, begun: Trial) -> None:
        """Sets `had_neighbours` of all running trials if there are several. The flag stays set during the attempt."""
        begun.had_neighbours = len(self.running) > 1
        for trial in self.running.values():
            trial.had_neighbours |= begun.had_neighbours

    def handle(self, segment: Segment, *records: Record) -> None:
        """Stores the measurements and the outcome among `records` in one transaction, and updates the trial.

        Records are ignored if their attempt has ended or a newer attempt at the trial has begun. Raises StoreError if
        the database fails or another driver has taken the lease.
        """
        self.keeper.check()
        trial = self.trials[segment.number]
        if trial.attempt != segment.attempt or segment.number not in self.running:
            return
        evaluations = [record for record in records if isinstance(record, Evaluation)]
        measured = [each for evaluation in evaluations for each in evaluation.measurements]
        if measured and not isinstance(records[-1], Outcome):
            # A latency that was unreliable is measured again at the same step, 0.
            self.store.record(trial.id, trial.attempt, measured, replace=records[0].step == 0)
        for record in records:
            trial.step = max(trial.step, record.step)
            trial.doing = record.doing if isinstance(record, Activity) else "training"
            if isinstance(record, Evaluation):
                self._take(trial, record)
            elif isinstance(record, Outcome):
                ended = record.completed(trial.step, time.monotonic() - trial.begun)
                self._end(trial, ended, measured)
            self.on_change(self, record)

    def _take(self, trial: Trial, evaluation: Evaluation) -> None:
        if evaluation.step and evaluation.step not in trial.curve:
            trial.machine_faults = 0
        trial.take(evaluation.measurements)
        self.adopt_latency(trial)
        if evaluation.step:
            self.report(self.repeats[trial.architecture.key], evaluation.step)

    def _end(self, trial: Trial, outcome: Outcome, measured: Sequence[Measurement]) -> None:
        """Ends the trial's attempt. Stores its outcome together with the measurements `measured`."""
        del self.running[trial.number]
        outcome = with_device_checked(trial, outcome, self.latency_key)
        stored, again = settle(trial, outcome, self.config)
        if TRACEBACK in outcome.error:
            self._log(trial, outcome)
        if again:
            self.waiting.append(trial)
        self._blocked = blocking_fault(trial, outcome, self.config) or self._blocked
        # The row is written first. After a crash between the two steps, the search is rebuilt from the row.
        self.store.end_attempt(trial.id, trial.attempt, stored, trial.state, measured)
        self._has_failures |= trial.state == "failed"
        repeats = self._holding[trial.architecture.key] = self.repeats[trial.architecture.key]
        tell(self.suggester, repeats, self.config)
        self._look_for_promotion()
        self._free_weights()
        if self.done:
            self.note_limit()
            self._give_up_paused()

    def _log(self, trial: Trial, outcome: Outcome) -> None:
        """Writes the traceback of a program error to the log beside the database, and names the log in `trial.error`."""
        where = f"sweep {self.config.name}, trial {trial.number}, attempt {trial.attempt}, {outcome.host}"
        log = log_of(self.config.storage)
        if log_failure(log, f"{where}\n{outcome.error}") and trial.error:
            trial.error += f"; traceback in {log}"

    def _next_trial(self) -> Trial | None:
        """Returns the next trial: one that waits for an attempt, another seed, one to promote, or a new one.

        The kinds are tried in this order. Returns None if there is no such trial, or if a trial that must run alone is
        running. If the next trial must run alone, returns None until no other trial is running.
        """
        if any(trial.alone for trial in self.running.values()):
            return None
        if self.waiting:
            must_wait = self.waiting[0].alone and self.running
            return None if must_wait else self.waiting.popleft()
        further = self.further_trial()
        if further is not None:
            return self._unless_alone(further)
        trial = self._promotion()
        if trial is not None:
            if trial.alone and self.running:
                return None
            self._due = None
            trial.target += 1
            self.suggester.resume(trial.architecture)
            return trial
        new = self.new_trial()
        return None if new is None else self._unless_alone(new)

    def _unless_alone(self, new: Trial) -> Trial | None:
        """Returns the trial `new`, or makes it wait and returns None if it must run alone and another trial is running."""
        if new.alone and self.running:
            new.state = "paused"
            self.waiting.append(new)
            return None
        return new

    def _look_for_promotion(self) -> None:
        """Finds the paused trial that halving promotes next, if any. Must be called after each change of a trial."""
        halving, rungs = self.config.search.halving, self.config.rungs
        if halving is None:
            return
        firsts = [each.first for each in self.repeats.values() if each.first.state != "failed"]
        self._due = None
        if self.suggester.sampler.promotes:
            self._is_undecided = True
            return
        chosen = next_promotion(
            [trial.candidate(self.config) for trial in firsts], len(rungs), halving.factor
        )
        if chosen is not None and self.affordable(chosen.target + 1):
            self._due = self.trials[chosen.number]

    def _promotion(self) -> Trial | None:
        """Returns the trial that halving promotes next; None if there is none.

        A sampler that promotes trials itself is asked only here, because its answer takes time.
        """
        if self._is_undecided:
            self._is_undecided = False
            able = {
                trial.architecture.key: trial
                for trial in (each.first for each in self.repeats.values())
                if trial.state == "paused"
                and trial.candidate(self.config).waits
                and self.affordable_in_full(trial.target + 1)
            }
            self.set_floor()
            number = len(self.repeats) if self.may_start else None
            chosen = self.suggester.promote(number, [trial.architecture for trial in able.values()])
            self._due = None if chosen is None else able[chosen.key]
        return self._due

    def _give_up_paused(self) -> None:
        """At the end of the sweep, records the trials that still wait for promotion as stopped.

        No seed is due at that point.
        """
        if not self.done:
            return
        self.give_up_seeds()
        for trial in self.trials.values():
            if trial.state == "paused":
                trial.state = "stopped"
                self.store.set_state(trial.id, "stopped")
                tell(self.suggester, self.repeats[trial.architecture.key], self.config)
        self._free_weights()

    def _free_weights(self) -> None:
        """Deletes the training states that `search.keep_weights` does not keep.

        Compares only the architectures in `_holding`. If all states of an architecture were deleted, an architecture on
        the front dominates it. That architecture also dominates everything that the deleted one dominates, so the
        deleted one need not be compared. The time therefore does not grow with the sweep.
        """
        for trial in without_weights(self._holding.values(), self.config):
            if trial.number not in self.freed:
                self.freed.add(trial.number)
                forget_weights(trial.folder(self.config), trial.mirror(self.config))
            own = self.repeats[trial.architecture.key]
            if own.is_finished and all(each.number in self.freed for each in own.trials):
                self._holding.pop(trial.architecture.key, None)

    def check_lease(self) -> None:
        """Raises SweepTaken if another driver has taken the lease, and StoreError if the lease could not be renewed."""
        self.keeper.check()

    def close(self) -> None:
        """Records the running attempts as interrupted, and releases the lease so that the next driver can start.

        If the database does not answer or the lease is lost, the attempts stay open and no error is raised.
        """
        self.keeper.close()
        database = self.store.database
        database.retry_seconds = min(database.retry_seconds, CLOSING_SECONDS)
        # Without the database or the lease, nothing can be stored. The next driver then closes the open attempts.
        with contextlib.suppress(StoreError):
            # A new trial that waits to run alone has an open attempt, which was stored with the trial.
            begun = [*self.running.values(), *(trial for trial in self.waiting if trial.is_new)]
            self.running.clear()
            for trial in begun:
                seconds = 0.0 if trial.is_new else time.monotonic() - trial.begun
                trial.is_new = False
                interrupted = Outcome(step=trial.step, interrupted=True)
                interrupted = interrupted.completed(trial.step, seconds)
                self.store.end_attempt(trial.id, trial.attempt, interrupted, "paused")
            self.store.release_lease(self.id, self.token)
