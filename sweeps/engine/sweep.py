"""A sweep in progress: what is still to be trained, and what becomes of every result.

This is the brain that every driver asks. A driver calls `next_segment`, runs the segment wherever it
likes, and passes every record to `handle`; all writing, retrying and deciding happens here, in one
process. After a crash a new `Sweep` is made from the rows, and goes on.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from searchspace.cost import costs
from searchspace.table.space_table import SpaceTable
from sweeps.capacity.gpu_share import Share
from sweeps.capacity.settings import AUTO
from sweeps.checkpoints.retention import forget_weights
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.limits import GAIN, Patience, affordable, without_weights
from sweeps.engine.trial_state import Trial
from sweeps.measure.latency_objective import FACT, LATENCY, another_key
from sweeps.messages import reason_of
from sweeps.records import Evaluation, Measurement, Outcome, Record
from sweeps.search.halving import next_promotion
from sweeps.search.suggester import Suggester
from sweeps.store.store import LEASE_SECONDS, Store, StoreError, TrialRow
from sweeps.train.segment import Segment

__all__ = ["Record", "Sweep", "SweepFailed", "Trial"]

MAX_EARLIER = 3
"""Earlier sweeps that teach the model."""
CLOSING_SECONDS = 10.0
"""So long a driver that ends waits for a database that is away."""


class SweepFailed(Exception):  # noqa: N818 - reads as what happened
    """Too many trials have failed; what is stored stays."""


class Sweep:
    """The state of one sweep, kept equal to the database."""

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
        """`table`: the costs of the whole space, where they are known already."""
        self.config, self.store, self.on_change = config, store, on_change
        self.table = table
        # Before the sweep has a name in the database: what cannot be suggested from leaves no trace.
        self.suggester = self._suggester()
        self.id = store.open_sweep(config.name, config.scale, config.comparable)
        self.token = store.acquire_lease(self.id, holder, lease_seconds, patient=patient)
        self.keeper = store.keep_lease()
        self.trials: dict[int, Trial] = {}
        self.waiting: deque[Trial] = deque()
        self.running: dict[int, Trial] = {}
        self.freed: set[int] = set()
        """Trials whose training states were deleted."""
        self.exhausted = False
        self.why_ended = ""
        """Why fewer trials than asked for were started, once that is so."""
        self.patience = Patience(config.search.min_gain)
        self._due: Trial | None = None
        """The trial to be promoted next."""
        self.latency_key = store.facts(self.id).get(FACT, "")
        """What all latencies of the sweep are of; '' before the first."""
        self._blocked = ""
        """What must be mended before the sweep can go on."""
        gpu = config.resources.gpu
        self.share = Share(gpu=0.0 if gpu == AUTO else float(gpu))
        """What one trial has of a GPU, as far as the driver has told."""
        try:
            self._warm_start()
            self._restore(store.trials(self.id))
            self.patience.recall(self.trials, store.facts(self.id))
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> list[Trial]:
        """Trials that reached an end of any kind."""
        return [t for t in self.trials.values() if t.state in ("complete", "stopped", "failed")]

    @property
    def done(self) -> bool:
        """Whether nothing is left to start and nothing is running."""
        return not (self.waiting or self.running or self._due or self._may_ask)

    @property
    def _may_ask(self) -> bool:
        few = len(self.trials) < self.config.search.trials
        return few and not self.exhausted and self._affordable(self.config.rungs[0])

    def _affordable(self, steps: int) -> bool:
        return affordable(self.trials.values(), self.config, steps)

    def reserve(self, share: Share) -> None:
        """Learn what one trial has of a GPU; networks that are predicted to need more are trained alone."""
        self.share = share
        for trial in self.trials.values():
            trial.alone = trial.alone or not share.has_room_for(trial.architecture)

    def next_segment(self) -> Segment | None:
        """What to train next; None where there is nothing to start now (see `done`).

        The trial is stored before it is handed out. Raises SweepFailed where too many have failed.
        """
        self.keeper.check()
        self._check_failures()
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
        return Segment(
            trial_id=trial.id,
            number=trial.number,
            attempt=trial.attempt,
            family=trial.architecture.family.name,
            knobs=trial.architecture.knobs,
            label=trial.architecture.label,
            scale=self.config.scale,
            seed=self.config.seed,
            until_step=until_step,
            train=self.share.settings(self.config.train),
            data=self.config.data,
            folder=trial.folder(self.config),
            mirror=trial.mirror(self.config),
            seconds_allowed=self.config.resources.seconds_allowed,
            cache=Path(self.config.cache).absolute(),
            threads=self.config.resources.threads,
            timing=trial.timing(self.config, self.latency_key),
        )

    def _note_neighbours(self, begun: Trial) -> None:
        """Who has run beside whom; kept to the end of an attempt, when a neighbour may have died before."""
        begun.had_neighbours = len(self.running) > 1
        for trial in self.running.values():
            trial.had_neighbours |= begun.had_neighbours

    def handle(self, segment: Segment, *records: Record) -> None:
        """Store what a segment reports: an outcome in one transaction with the evaluation that precedes it.

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
        """The end of an attempt; `measured` is stored with it."""
        del self.running[trial.number]
        outcome = self._refused(trial, outcome)
        if outcome.interrupted:
            trial.state = "paused"
            self.waiting.append(trial)
        elif outcome.out_of_memory and trial.had_neighbours and not trial.alone:
            trial.alone, trial.state = True, "paused"
            outcome = outcome.excused()
            self.waiting.append(trial)
        elif outcome.machine_fault:
            outcome = self._excuse(trial, outcome)
        elif outcome.too_slow:
            trial.state, trial.error = "stopped", outcome.error
        elif not outcome.error:
            last = trial.target == len(self.config.rungs) - 1
            trial.state = "complete" if last else "paused"
        else:
            trial.errors += 1
            trial.error = reason_of(outcome.error)
            exhausted = outcome.final or trial.errors >= self.config.search.max_attempts
            trial.state = "failed" if exhausted else "paused"
            if not exhausted:
                self.waiting.append(trial)
        # The row comes before the study: after a crash in between, the study is rebuilt from the row.
        self.store.end_attempt(trial.id, trial.attempt, outcome, trial.state, measured)
        self._tell(trial)
        self._look_for_promotion()
        self._free_weights()
        if self.done:
            self._give_up_paused()

    def _adopt_latency(self, trial: Trial) -> None:
        """Score the trial's latency; the first one of the sweep decides which device they are all of."""
        if trial.timed and not self.latency_key:
            self.latency_key = next(iter(trial.timed))
            self.store.set_fact(self.id, FACT, self.latency_key)
        trial.adopt_latency(self.latency_key)

    def _refused(self, trial: Trial, outcome: Outcome) -> Outcome:
        """As a machine's fault where the trial's latency is of another device than the sweep's.

        That is seen here only of trials that began before the first latency was known.
        """
        if not trial.timed or LATENCY in trial.scores:
            return outcome
        error = another_key(next(iter(trial.timed)), self.latency_key)
        return replace(outcome, error=error, machine_fault=True, too_slow=False)

    def _excuse(self, trial: Trial, outcome: Outcome) -> Outcome:
        """Let another machine try; where that does not help either, the sweep stops rather than lose trials."""
        trial.state = "paused"
        self.waiting.append(trial)
        trial.machine_faults += 1
        if trial.machine_faults >= self.config.search.max_attempts:
            self._blocked = f"{outcome.host}: {reason_of(outcome.error)}; no trial is given up: mend it, then run the sweep again"
        return outcome.excused()

    def _next_trial(self) -> Trial | None:
        """One that was interrupted, else one to be promoted, else a new one.

        None, too, while a trial runs that must be alone, or others run that such a one waits for.
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
        """Find the paused trial that may go on, if any; asked again after every change."""
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
        """At the end of the sweep: what still waits for promotion is recorded as stopped."""
        if not self.done:
            return
        for trial in self.trials.values():
            if trial.state == "paused":
                trial.state = "stopped"
                self.store.set_state(trial.id, "stopped")
                self._tell(trial)
        self._free_weights()

    def _free_weights(self) -> None:
        """Delete the training states that `search.keep_weights` does not ask for."""
        for trial in without_weights(self.trials.values(), self.config):
            if trial.number not in self.freed:
                self.freed.add(trial.number)
                forget_weights(trial.folder(self.config), trial.mirror(self.config))

    def _tell(self, trial: Trial) -> None:
        if trial.state == "complete":
            known = trial.values(self.config.scale)
            values = [known[name] for name in self.config.objectives]
            self.suggester.tell(trial.architecture, values, stopped=False)
        elif trial.state in ("failed", "stopped"):
            self.suggester.tell(trial.architecture, None, stopped=trial.state == "stopped")
        elif trial.state == "paused":
            self.suggester.pause(trial.architecture)

    def _new_trial(self) -> Trial | None:
        if not self._may_ask:
            return None
        number = max(self.trials, default=-1) + 1
        if self.config.search.sampler == "pareto" and self.suggester.floor is None:
            self.suggester.floor = self._bicubic()
        suggested = self.suggester.ask(number)
        self.patience.note(self.suggester.gain)
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
            self.store.set_fact(self.id, f"{GAIN} {number}", repr(self.suggester.gain))
        trial = Trial(id=stored, number=number, architecture=suggested, attempt=1, is_new=True)
        trial.alone = not self.share.has_room_for(suggested)
        self.trials[number] = trial
        return trial

    def _bicubic(self) -> float | None:
        """What a network must beat to be worth anything, once the sweep's validation images are known."""
        known = self.store.facts(self.id).get(f"validation_bicubic_{self.suggester.modelled}")
        return None if known is None else float(known)

    def _warm_start(self) -> None:
        """Let full trainings of earlier sweeps at this scale teach the model, as far as it has one."""
        if self.config.search.sampler != "pareto":
            return
        for sweep, other in enumerate(self.store.others(self.id)[:MAX_EARLIER]):
            rows = [row for row in self.store.trials(other) if row.state == "complete"]
            self.suggester.warm_start(sweep, rows)

    def _restore(self, rows: list[TrialRow]) -> None:
        """Take up stored trials: finished ones teach the search, the others are trained on."""
        for row in rows:
            trial = Trial.restored(row, self.config)
            self._adopt_latency(trial)
            self.trials[trial.number] = trial
            self.suggester.restore(trial.architecture)
            for step, scores in trial.curve.items():
                self.suggester.report(trial.architecture, step, scores)
            # What was cut short goes on; what had reached its rung waits for promotion.
            reached = self.config.rungs[trial.target] in trial.curve
            if trial.state == "running" or (trial.state == "paused" and not reached):
                trial.state = "paused"
                self.waiting.append(trial)
            else:
                self._tell(trial)
        self._look_for_promotion()

    def check_result(self) -> None:
        """Raise SweepFailed where all trials have failed: a sweep without a result is none."""
        failed = [trial for trial in self.trials.values() if trial.state == "failed"]
        if failed and len(failed) == len(self.trials):
            raise SweepFailed(
                f"all {len(failed)} trials have failed, the last one: {failed[-1].error}"
            )

    def _check_failures(self) -> None:
        if self._blocked:
            raise SweepFailed(self._blocked)
        failed = sum(trial.state == "failed" for trial in self.trials.values())
        finished = len(self.finished)
        if finished >= 5 and failed > self.config.search.max_failed_share * finished:
            raise SweepFailed(
                f"{failed} of {finished} trials have failed, more than max_failed_share "
                f"{self.config.search.max_failed_share:g}; see `srsweep report {self.config.name}` for why"
            )

    def check_lease(self) -> None:
        """Raise SweepTaken where another driver has taken the sweep."""
        self.keeper.check()

    def close(self) -> None:
        """Close what is still running as interrupted and let the next driver start at once."""
        self.keeper.close()
        database = self.store.database
        database.retry_seconds = min(database.retry_seconds, CLOSING_SECONDS)
        # Without a database, or without the lease, nothing can be written: the next driver closes what is open.
        with contextlib.suppress(StoreError):
            # One that waits to be alone has had its attempt since it was stored.
            begun = [*self.running.values(), *(trial for trial in self.waiting if trial.is_new)]
            self.running.clear()
            for trial in begun:
                seconds = 0.0 if trial.is_new else time.monotonic() - trial.begun
                trial.is_new = False
                interrupted = Outcome(step=trial.step, interrupted=True)
                interrupted = interrupted.completed(trial.step, seconds)
                self.store.end_attempt(trial.id, trial.attempt, interrupted, "paused")
            self.store.release_lease(self.id, self.token)

    def _suggester(self) -> Suggester:
        config = self.config
        return Suggester(
            space=config.space,
            constraints=config.limits,
            scale=config.scale,
            objectives=config.objectives,
            sampler=config.search.sampler,
            seed=config.seed,
            trials=config.search.trials,
            steps=config.train.steps,
            levels=config.levels,
            table=self.table,
        )
