"""A sweep in progress: what is still to be trained, and what becomes of every result.

This is the brain that every driver asks. A driver calls `next_segment`, runs the segment wherever it
likes, and passes every record to `handle`; all writing, retrying and deciding happens here, in one
process. After a crash a new `Sweep` is made from the rows, and goes on.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from searchspace.space import feasible
from sweeps.config import MEASURED, ConfigError, SweepConfig
from sweeps.records import Evaluation, Outcome, Progress, State
from sweeps.store import LEASE_SECONDS, Store, TrialRow
from sweeps.suggest import Suggester
from sweeps.trial import Segment

Record = Progress | Evaluation | Outcome


class SweepFailed(Exception):  # noqa: N818 - reads as what happened
    """Too many trials have failed; what is stored stays."""


@dataclass(kw_only=True)
class Trial:
    """A trial of this sweep while it is not finished."""

    id: int
    number: int
    architecture: Architecture
    errors: int = 0
    attempt: int = 0
    state: State = "running"
    step: int = 0
    error: str = ""
    """Last line of the newest attempt's error."""
    scores: dict[str, float] = field(default_factory=dict)
    """Newest value of each measured objective."""


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
    ) -> None:
        self.config, self.store, self.on_change = config, store, on_change
        self.lease_seconds = lease_seconds
        self.id = store.open_sweep(config.name, config.scale, config.comparable)
        self.token = store.acquire_lease(self.id, holder, lease_seconds, patient=patient)
        self.renewed = time.monotonic()
        self.suggester = Suggester(
            space=config.space,
            constraints=config.limits,
            scale=config.scale,
            directions=list(config.objectives.values()),
            sampler=config.search.sampler,
            seed=config.seed,
            trials=config.search.trials,
        )
        self.trials: dict[int, Trial] = {}
        self.waiting: deque[Trial] = deque()
        self.running: dict[int, Trial] = {}
        self.exhausted = False
        self._restore(store.trials(self.id))

    @property
    def finished(self) -> list[Trial]:
        """Trials that reached an end of any kind."""
        return [t for t in self.trials.values() if t.state in ("complete", "stopped", "failed")]

    @property
    def done(self) -> bool:
        """Whether nothing is left to start and nothing is running."""
        return not self.waiting and not self.running and not self._may_ask

    @property
    def _may_ask(self) -> bool:
        return not self.exhausted and len(self.trials) < self.config.search.trials

    def next_segment(self) -> Segment | None:
        """What to train next; None where there is nothing to start now (see `done`).

        The trial is stored before it is handed out. Raises SweepFailed where too many have failed.
        """
        self.renew()
        self._check_failures()
        trial = self.waiting.popleft() if self.waiting else self._new_trial()
        if trial is None:
            return None
        trial.attempt = self.store.begin_attempt(trial.id, self.config.train.steps)
        trial.state = "running"
        self.running[trial.number] = trial
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
            until_step=self.config.train.steps,
            train=self.config.train,
            data=self.config.data,
            folder=Path(self.config.checkpoints).absolute() / self.config.name / str(trial.number),
            seconds_allowed=self.config.resources.seconds_allowed,
            cache=Path(self.config.cache).absolute(),
            threads=max(1, int(self.config.resources.cpu)),
        )

    def handle(self, segment: Segment, record: Record) -> None:
        """Store what a segment reports; records of an attempt that was given up are dropped."""
        self.renew()
        trial = self.trials[segment.number]
        if trial.attempt != segment.attempt or segment.number not in self.running:
            return
        trial.step = max(trial.step, record.step)
        if isinstance(record, Evaluation):
            self.store.record(trial.id, trial.attempt, record.measurements)
            trial.scores |= {m.name: m.value for m in record.measurements if m.name in MEASURED}
        elif isinstance(record, Outcome):
            self._end(trial, record)
        self.on_change(self, record)

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        del self.running[trial.number]
        if outcome.interrupted:
            trial.state = "paused"
            self.waiting.append(trial)
        elif not outcome.error:
            trial.state = "complete"
        else:
            trial.errors += 1
            trial.error = outcome.error.strip().splitlines()[-1]
            exhausted = trial.errors >= self.config.search.max_attempts
            trial.state = "failed" if exhausted else "paused"
            if not exhausted:
                self.waiting.append(trial)
        # The row comes before the study: after a crash in between, the study is rebuilt from the row.
        self.store.end_attempt(trial.id, trial.attempt, outcome, trial.state)
        self._tell(trial)

    def _tell(self, trial: Trial) -> None:
        if trial.state == "complete":
            known = costs(trial.architecture, self.config.scale) | trial.scores
            values = [known[name] for name in self.config.objectives]
            self.suggester.tell(trial.architecture, values, stopped=False)
        elif trial.state in ("failed", "stopped"):
            self.suggester.tell(trial.architecture, None, stopped=trial.state == "stopped")

    def _new_trial(self) -> Trial | None:
        if not self._may_ask:
            return None
        number = max(self.trials, default=-1) + 1
        suggested = self.suggester.ask(number)
        if suggested is None:
            self.exhausted = True
            return None
        stored = self.store.add_trial(
            self.id,
            number=number,
            architecture=suggested,
            seed=self.config.seed,
            costs=costs(suggested, self.config.scale),
        )
        self.trials[number] = Trial(id=stored, number=number, architecture=suggested)
        return self.trials[number]

    def _restore(self, rows: list[TrialRow]) -> None:
        """Take up stored trials: finished ones teach the search, the others are trained on."""
        for row in rows:
            trial = Trial(
                id=row.id,
                number=row.number,
                architecture=architecture(row.family, row.knobs),
                errors=row.errors,
                attempt=row.attempts,
                state=row.state,
                step=max((m.step for m in row.measurements), default=0),
                scores={m.name: m.value for m in row.measurements if m.name in MEASURED},
            )
            self.trials[trial.number] = trial
            self.suggester.restore(trial.architecture)
            if trial.state in ("running", "paused"):
                trial.state = "paused"
                self.waiting.append(trial)
            else:
                self._tell(trial)

    def check_result(self) -> None:
        """Raise SweepFailed where all trials have failed: a sweep without a result is none."""
        failed = [trial for trial in self.trials.values() if trial.state == "failed"]
        if failed and len(failed) == len(self.trials):
            raise SweepFailed(
                f"all {len(failed)} trials have failed, the last one: {failed[-1].error}"
            )

    def _check_failures(self) -> None:
        failed = sum(trial.state == "failed" for trial in self.trials.values())
        finished = len(self.finished)
        if finished >= 5 and failed > self.config.search.max_failed_share * finished:
            raise SweepFailed(
                f"{failed} of {finished} trials have failed, more than max_failed_share "
                f"{self.config.search.max_failed_share:g}; see `srsweep report {self.config.name}` for why"
            )

    def renew(self) -> None:
        """Keep the lease; called often, writes rarely."""
        if time.monotonic() - self.renewed > self.lease_seconds / 4:
            self.store.renew_lease(self.id, self.token, self.lease_seconds)
            self.renewed = time.monotonic()

    def close(self) -> None:
        """Close what is still running as interrupted and let the next driver start at once."""
        for number in list(self.running):
            trial = self.running.pop(number)
            interrupted = Outcome(step=trial.step, interrupted=True)
            self.store.end_attempt(trial.id, trial.attempt, interrupted, "paused")
        self.store.release_lease(self.id, self.token)


def check_feasible(config: SweepConfig) -> None:
    """Raise ConfigError where no architecture of the space is within the budget."""
    draws = 2_000
    if config.space.enumerable:
        candidates = iter(config.space.architectures)
    else:
        random = Random(config.seed)
        candidates = (config.space.sample(random) for _ in range(draws))
    smallest: dict[str, float] = {}
    for candidate in candidates:
        if feasible(candidate, config.limits, config.scale):
            return
        for name, value in costs(candidate, config.scale).items():
            smallest[name] = min(value, smallest.get(name, value))
    within = "; ".join(str(limit) for limit in config.limits)
    least = ", ".join(f"{name} {smallest[name]:,}" for name in config.budget if name in smallest)
    raise ConfigError(
        f"metadata.sweep.budget: no architecture of the space meets {within} (least: {least}); raise the "
        "budget or add smaller architectures"
    )
