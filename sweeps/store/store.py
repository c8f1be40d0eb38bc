"""The database of record. One `Store` is one connection pool; the driver is the only writer of a sweep."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from searchspace.architecture import Architecture
from sweeps.records import Measurement, Outcome, State, is_counted
from sweeps.store import lease, schema
from sweeps.store.comparability import differences
from sweeps.store.database import Database, StoreError
from sweeps.store.lease import LEASE_SECONDS, SweepTaken
from sweeps.store.schema import utc_now

__all__ = ["LEASE_SECONDS", "Store", "StoreError", "SweepTaken", "TrialRow"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as stored, with what a search needs to be rebuilt from."""

    id: int
    number: int
    family: str
    knobs: dict[str, Any]
    architecture: str
    label: str
    seed: int
    state: State
    attempts: int
    errors: int
    """Attempts that ended with an error that stands against the trial."""
    until_step: int = 0
    """Where the newest attempt was to end."""
    measurements: list[Measurement] = field(default_factory=list)


class Store:
    """Reads and writes results.db (or any SQLAlchemy URL)."""

    def __init__(self, url: str, *, retry_seconds: float = 300.0) -> None:
        self.database = Database(url, retry_seconds=retry_seconds)
        self.database.prepare()
        self.engine, self.name = self.database.engine, self.database.name
        self.transaction = self.database.transaction
        self.held: tuple[int, str, float] | None = None
        """The lease taken through this store: sweep, token, seconds."""

    def open_sweep(self, name: str, scale: int, settings: Mapping[str, object]) -> int:
        """The id of the sweep called `name`, made if there is none.

        Raises StoreError where it exists with settings under which its trials would not be comparable.
        """

        def work(session: Session) -> int:
            sweep = session.scalar(select(schema.Sweep).where(schema.Sweep.name == name))
            if sweep is None:
                sweep = schema.Sweep(name=name, scale=scale, settings=dict(settings))
                session.add(sweep)
                session.flush()
            found = differences(sweep.settings, dict(settings))
            differing = [f"{path}: {old} -> {new}" for path, old, new in found]
            if differing:
                raise StoreError(
                    f"name: sweep {name!r} is stored in {self.name} with other settings "
                    f"({'; '.join(differing)}); its trials would not be comparable: choose another name"
                )
            return sweep.id

        return self.transaction(work)

    def add_life(
        self,
        sweep_id: int,
        *,
        text: str,
        host: str,
        git_commit: str,
        git_dirty: bool,
        versions: Mapping[str, str],
    ) -> None:
        """Record that a driver starts to run this sweep."""
        started_at = utc_now()
        same = (schema.Life.sweep_id == sweep_id) & (schema.Life.started_at == started_at)

        def work(session: Session) -> None:
            if session.scalar(select(schema.Life.id).where(same, schema.Life.host == host)) is None:
                row = schema.Life(
                    sweep_id=sweep_id,
                    started_at=started_at,
                    text=text,
                    host=host,
                    git_commit=git_commit,
                    git_dirty=git_dirty,
                    versions=dict(versions),
                )
                session.add(row)

        self._write(work)

    def last_life(self, name: str) -> schema.Life | None:
        """The newest run of the sweep called `name`."""
        query = (
            select(schema.Life)
            .join(schema.Sweep, schema.Sweep.id == schema.Life.sweep_id)
            .where(schema.Sweep.name == name)
            .order_by(schema.Life.started_at.desc())
        )
        return self.transaction(lambda session: session.scalars(query).first())

    def set_fact(self, sweep_id: int, name: str, value: str) -> None:
        """Keep a fact about the sweep; the first value stays."""

        def work(session: Session) -> None:
            if session.get(schema.SweepFact, (sweep_id, name)) is None:
                session.add(schema.SweepFact(sweep_id=sweep_id, name=name, value=value))

        self._write(work)

    def facts(self, sweep_id: int) -> dict[str, str]:
        """All facts about the sweep by name."""
        query = select(schema.SweepFact).where(schema.SweepFact.sweep_id == sweep_id)
        return self.transaction(lambda s: {row.name: row.value for row in s.scalars(query)})

    def sweep_names(self) -> list[str]:
        """Names of all sweeps, oldest first."""
        query = select(schema.Sweep.name).order_by(schema.Sweep.id)
        return self.transaction(lambda session: list(session.scalars(query)))

    def others(self, sweep_id: int) -> list[int]:
        """Ids of the other sweeps of the same scale, the newest first."""
        own = select(schema.Sweep.scale).where(schema.Sweep.id == sweep_id).scalar_subquery()
        query = select(schema.Sweep.id).where(schema.Sweep.scale == own)
        query = query.where(schema.Sweep.id != sweep_id).order_by(schema.Sweep.id.desc())
        return self.transaction(lambda session: list(session.scalars(query)))

    def trials(self, sweep_id: int) -> list[TrialRow]:
        """All trials of a sweep in order of number, with their measurements."""

        def work(session: Session) -> list[TrialRow]:
            own = select(schema.Trial.id).where(schema.Trial.sweep_id == sweep_id)
            knobs: dict[int, dict[str, Any]] = {}
            for knob in session.scalars(
                select(schema.TrialKnob).where(schema.TrialKnob.trial_id.in_(own))
            ):
                knobs.setdefault(knob.trial_id, {})[knob.name] = json.loads(knob.value)
            measured: dict[int, list[Measurement]] = {}
            for row in session.scalars(
                select(schema.Measurement)
                .where(schema.Measurement.trial_id.in_(own))
                .order_by(schema.Measurement.step)
            ):
                measured.setdefault(row.trial_id, []).append(
                    Measurement(step=row.step, dataset=row.dataset, name=row.name, value=row.value)
                )
            attempts: dict[int, list[schema.Attempt]] = {}
            for attempt in session.scalars(
                select(schema.Attempt)
                .where(schema.Attempt.trial_id.in_(own))
                .order_by(schema.Attempt.attempt)
            ):
                attempts.setdefault(attempt.trial_id, []).append(attempt)
            query = select(schema.Trial).where(schema.Trial.sweep_id == sweep_id)
            return [
                TrialRow(
                    id=trial.id,
                    number=trial.number,
                    family=trial.family,
                    knobs=knobs.get(trial.id, {}),
                    architecture=trial.architecture,
                    label=trial.label,
                    seed=trial.seed,
                    state=trial.state,  # type: ignore[arg-type]
                    attempts=len(attempts.get(trial.id, [])),
                    errors=sum(is_counted(each.error) for each in attempts.get(trial.id, [])),
                    until_step=attempts[trial.id][-1].until_step if trial.id in attempts else 0,
                    measurements=measured.get(trial.id, []),
                )
                for trial in session.scalars(query.order_by(schema.Trial.number))
            ]

        return self.transaction(work)

    def add_trial(
        self,
        sweep_id: int,
        *,
        number: int,
        architecture: Architecture,
        seed: int,
        costs: Mapping[str, float],
        until_step: int | None = None,
    ) -> int:
        """Store a new trial in state 'running' with its knobs and costs; returns its id.

        With `until_step` its first attempt is opened with it, in the same transaction.
        """

        def work(session: Session) -> int:
            same = (schema.Trial.sweep_id == sweep_id) & (schema.Trial.number == number)
            stored = session.scalar(select(schema.Trial).where(same))
            if stored is not None and stored.architecture == architecture.key:
                return stored.id  # committed just before the connection was lost
            trial = schema.Trial(
                sweep_id=sweep_id,
                number=number,
                architecture=architecture.key,
                family=architecture.family.name,
                label=architecture.label,
                seed=seed,
            )
            session.add(trial)
            session.flush()
            own = {"trial_id": trial.id}
            knobs = [
                own | {"name": name, "value": json.dumps(value)}
                for name, value in architecture.knobs.items()
            ]
            session.execute(insert(schema.TrialKnob), knobs)
            free = own | {"dataset": "", "step": 0}
            rows = [free | {"name": name, "value": value} for name, value in costs.items()]
            if rows:
                session.execute(insert(schema.Measurement), rows)
            if until_step is not None:
                session.execute(
                    insert(schema.Attempt), own | {"attempt": 1, "until_step": until_step}
                )
            return trial.id

        return self._write(work)

    def begin_attempt(self, trial_id: int, until_step: int) -> int:
        """Open the next attempt of a trial and set it running; returns the attempt's number, from 1."""
        opened: list[int] = []

        def work(session: Session) -> int:
            newest = _newest_attempt(session, trial_id)
            if newest is not None and newest in opened:
                return newest  # committed just before the connection was lost
            attempt = (newest or 0) + 1
            opened.append(attempt)
            session.add(schema.Attempt(trial_id=trial_id, attempt=attempt, until_step=until_step))
            session.execute(_set_state(trial_id, "running"))
            return attempt

        return self._write(work)

    def record(
        self,
        trial_id: int,
        attempt: int,
        measurements: Iterable[Measurement],
        *,
        replace: bool = False,
    ) -> bool:
        """Store measurements of an attempt; False where a newer attempt has taken over.

        A number that is stored already stays, since a resumed trial repeats its last evaluations; with
        `replace` it gives way.
        """
        rows = [asdict(measurement) for measurement in measurements]

        def work(session: Session) -> bool:
            if _newest_attempt(session, trial_id) != attempt:
                return False
            if replace:
                for row in rows:
                    same = {name: value for name, value in row.items() if name != "value"}
                    session.execute(delete(schema.Measurement).filter_by(trial_id=trial_id, **same))
            _add_measurements(session, trial_id, rows)
            return True

        return self._write(work)

    def end_attempt(
        self,
        trial_id: int,
        attempt: int,
        outcome: Outcome,
        state: State,
        measurements: Iterable[Measurement] = (),
    ) -> None:
        """Close an attempt, store its last measurements and set the trial's state, the latter two unless a
        newer attempt has taken over.
        """
        rows = [asdict(measurement) for measurement in measurements]
        end = {
            "ended_at": utc_now(),
            "step": outcome.step,
            "seconds": outcome.seconds,
            "host": outcome.host,
            "device": outcome.device,
            "error": outcome.error,
        }

        def work(session: Session) -> None:
            own = (schema.Attempt.trial_id == trial_id) & (schema.Attempt.attempt == attempt)
            session.execute(update(schema.Attempt).where(own).values(**end))
            if _newest_attempt(session, trial_id) == attempt:
                _add_measurements(session, trial_id, rows)
                session.execute(_set_state(trial_id, state))

        self._write(work)

    def set_state(self, trial_id: int, state: State) -> None:
        """Set a trial's state without an attempt, as when halving gives up a paused trial."""
        self._write(lambda session: session.execute(_set_state(trial_id, state)))

    def acquire_lease(
        self,
        sweep_id: int,
        holder: str,
        seconds: float = LEASE_SECONDS,
        *,
        patient: bool = False,
    ) -> str:
        """A token that lets its owner drive the sweep; raises SweepTaken while another driver lives.

        With `patient`, the lease of a driver that has died is waited for. What it left open is closed. From
        then on this store writes only as long as the lease is its own, and raises SweepTaken afterwards.
        """
        acquire = lease.acquire_patiently if patient else lease.acquire
        died_at = lease.last_sign(self.database, sweep_id, seconds)
        token = acquire(self.database, sweep_id, holder, seconds)
        self.held = (sweep_id, token, seconds)
        if died_at is not None:
            lease.end_abandoned(self.database, sweep_id, died_at)
        return token

    def keep_lease(self) -> lease.Keeper:
        """A thread that renews the lease taken through this store until it is closed."""
        assert self.held is not None
        return lease.Keeper(self.database, *self.held)

    def release_lease(self, sweep_id: int, token: str) -> None:
        """Let the next driver start at once."""
        self.held = None
        lease.release(self.database, sweep_id, token)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _write(self, work: Callable[[Session], T]) -> T:
        """`work` in one transaction, which demands the lease where one was taken through this store."""
        if self.held is None:
            return self.transaction(work)
        held = self.held

        def fenced(session: Session) -> T:
            lease.demand(session, *held)
            return work(session)

        return self.transaction(fenced)


def _newest_attempt(session: Session, trial_id: int) -> int | None:
    """The number of a trial's newest attempt, the only one that may write; None before the first."""
    newest = func.max(schema.Attempt.attempt)
    return session.scalar(select(newest).where(schema.Attempt.trial_id == trial_id))


def _add_measurements(session: Session, trial_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add a trial's numbers; those that are stored already stay."""
    if not rows:
        return
    key = (schema.Measurement.name, schema.Measurement.dataset, schema.Measurement.step)
    own = schema.Measurement.trial_id == trial_id
    stored = {tuple(row) for row in session.execute(select(*key).where(own))}
    new = [
        {"trial_id": trial_id, **row}
        for row in rows
        if (row["name"], row["dataset"], row["step"]) not in stored
    ]
    if new:
        session.execute(insert(schema.Measurement), new)


def _set_state(trial_id: int, state: State) -> Any:
    return update(schema.Trial).where(schema.Trial.id == trial_id).values(state=state)
