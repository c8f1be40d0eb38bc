"""The class that reads and writes results.db. A driver writes through it under the lease of its sweep."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from searchspace.architecture import Architecture
from sweeps.records import Measurement, Outcome, State, TrialRow
from sweeps.store import lease, reading, schema
from sweeps.store.comparability import refusal
from sweeps.store.database import Database, StoreError, StoreMistake
from sweeps.store.lease import LEASE_SECONDS, SweepTaken
from sweeps.store.schema import utc_now

__all__ = ["LEASE_SECONDS", "Store", "StoreError", "StoreMistake", "SweepTaken"]

T = TypeVar("T")


class Store:
    """Reads and writes results.db, or the database at another SQLAlchemy URL.

    The constructor creates the tables of an empty database and migrates an older database (see
    `sweeps.store.migrations`). It raises StoreMistake if the database cannot be opened, belongs to another program or
    is too new. A failed transaction is repeated for up to `retry_seconds`. Every method raises StoreError if the
    database fails.
    """

    def __init__(self, url: str, *, retry_seconds: float = 300.0) -> None:
        self.database = Database(url, retry_seconds=retry_seconds)
        self.database.prepare()
        self.engine, self.name = self.database.engine, self.database.name
        self.transaction = self.database.transaction
        self.held: tuple[int, str, float] | None = None
        """The lease that was taken through this store, as (id of the sweep, token, seconds); None without a lease."""
        self.touched: set[int] = set()
        """Ids of the trials that were written through this store. The feed of a sweep's sinks empties this set."""

    def open_sweep(self, name: str, scale: int, settings: Mapping[str, object]) -> int:
        """Returns the id of the sweep called `name`. If there is none, first stores it with `scale` and `settings`.

        Raises StoreMistake if the sweep is stored with other settings. Settings that are missing on either side count
        with their defaults.
        """

        def work(session: Session) -> int:
            sweep = session.scalar(select(schema.Sweep).where(schema.Sweep.name == name))
            if sweep is None:
                sweep = schema.Sweep(name=name, scale=scale, settings=dict(settings))
                session.add(sweep)
                session.flush()
            if why := refusal(name, self.name, sweep.settings, settings):
                raise StoreMistake(why)
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
        """Records that a run of a driver starts now. `schema.Life` describes the arguments."""
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
        """Returns the row of the newest run of the sweep called `name`, or None if the sweep never ran."""
        return self.transaction(lambda session: reading.last_life(session, name))

    def set_fact(self, sweep_id: int, name: str, value: str) -> None:
        """Stores a fact about the sweep. If the fact already has a value, that value is kept."""

        def work(session: Session) -> None:
            if session.get(schema.SweepFact, (sweep_id, name)) is None:
                session.add(schema.SweepFact(sweep_id=sweep_id, name=name, value=value))

        self._write(work)

    def facts(self, sweep_id: int) -> dict[str, str]:
        """Returns all facts about the sweep, by name."""
        return self.transaction(lambda session: reading.facts(session, sweep_id))

    def sweep_names(self) -> list[str]:
        """Returns the names of all sweeps, the oldest sweep first."""
        return self.transaction(reading.sweep_names)

    def others(self, sweep_id: int) -> list[int]:
        """Returns the ids of all other sweeps with the scale of sweep `sweep_id`, the newest sweep first."""
        return self.transaction(lambda session: reading.others(session, sweep_id))

    def trials(self, sweep_id: int, ids: Collection[int] | None = None) -> list[TrialRow]:
        """Returns the trials of a sweep with their measurements, sorted by number. With `ids`, only those with these ids."""
        return self.transaction(lambda session: reading.trials(session, sweep_id, ids))

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
        """Stores a new trial in state 'running', with its knobs, its recipe and its costs, and returns the trial's id.

        With `until_step`, the same transaction opens the trial's first attempt, which trains to this optimiser step.
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
                for name, value in architecture.values.items()
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

        return self._touch(self._write(work))

    def begin_attempt(self, trial_id: int, until_step: int) -> int:
        """Opens the next attempt of a trial, which trains to `until_step`, and sets the trial's state to 'running'.

        Returns the number of the attempt, from 1.
        """
        opened: list[int] = []

        def work(session: Session) -> int:
            newest = reading.newest_attempt(session, trial_id)
            if newest is not None and newest in opened:
                return newest  # committed just before the connection was lost
            attempt = (newest or 0) + 1
            opened.append(attempt)
            session.add(schema.Attempt(trial_id=trial_id, attempt=attempt, until_step=until_step))
            session.execute(_set_state(trial_id, "running"))
            return attempt

        self._touch(trial_id)
        return self._write(work)

    def record(
        self,
        trial_id: int,
        attempt: int,
        measurements: Iterable[Measurement],
        *,
        replace: bool = False,
    ) -> bool:
        """Stores measurements of an attempt. If a newer attempt has begun, stores nothing and returns False.

        A resumed trial repeats its last evaluations, so a measurement that is already stored stays unchanged unless
        `replace` is True.
        """
        rows = [asdict(measurement) for measurement in measurements]

        def work(session: Session) -> bool:
            if reading.newest_attempt(session, trial_id) != attempt:
                return False
            if replace:
                for row in rows:
                    same = {name: value for name, value in row.items() if name != "value"}
                    session.execute(delete(schema.Measurement).filter_by(trial_id=trial_id, **same))
            _add_measurements(session, trial_id, rows)
            return True

        self._touch(trial_id)
        return self._write(work)

    def end_attempt(
        self,
        trial_id: int,
        attempt: int,
        outcome: Outcome,
        state: State,
        measurements: Iterable[Measurement] = (),
    ) -> None:
        """Closes an attempt with its outcome, stores its last measurements, and sets the state of its trial.

        If a newer attempt has begun, the attempt is closed, but its measurements and `state` are not stored.
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
            if reading.newest_attempt(session, trial_id) == attempt:
                _add_measurements(session, trial_id, rows)
                session.execute(_set_state(trial_id, state))

        self._touch(trial_id)
        self._write(work)

    def set_state(self, trial_id: int, state: State) -> None:
        """Sets the state of a trial that is not in training, such as a paused trial that halving gives up."""
        self._touch(trial_id)
        self._write(lambda session: session.execute(_set_state(trial_id, state)))

    def acquire_lease(
        self,
        sweep_id: int,
        holder: str,
        seconds: float = LEASE_SECONDS,
        *,
        patient: bool = False,
    ) -> str:
        """Takes the lease of the sweep for this driver and returns the lease's token, which `release_lease` needs.

        `holder` names this driver in messages to other drivers. The lease expires after `seconds` without a renewal.
        With `patient`, waits for the lease of a dead driver to expire. Also closes the attempts that the last driver
        left open. Raises SweepTaken if another driver holds the lease. From then on, every write through this store
        renews the lease, and raises SweepTaken if another driver has taken it.
        """
        acquire = lease.acquire_patiently if patient else lease.acquire
        died_at = lease.last_sign(self.database, sweep_id, seconds)
        token = acquire(self.database, sweep_id, holder, seconds)
        self.held = (sweep_id, token, seconds)
        if died_at is not None:
            lease.end_abandoned(self.database, sweep_id, died_at)
        return token

    def keep_lease(self) -> lease.Keeper:
        """Starts and returns a thread that renews the lease of this store until the thread's `close` is called.

        The store must hold a lease.
        """
        assert self.held is not None
        return lease.Keeper(self.database, *self.held)

    def release_lease(self, sweep_id: int, token: str) -> None:
        """Ends the lease of the sweep, so that the next driver can start immediately."""
        self.held = None
        lease.release(self.database, sweep_id, token)

    def close(self) -> None:
        """Closes all connections to the database."""
        self.engine.dispose()

    def _touch(self, trial_id: int) -> int:
        self.touched.add(trial_id)
        return trial_id

    def _write(self, work: Callable[[Session], T]) -> T:
        """Runs `work` in one transaction and returns its result. If this store holds a lease, the transaction renews it."""
        if self.held is None:
            return self.transaction(work)
        held = self.held

        def fenced(session: Session) -> T:
            lease.demand(session, *held)
            return work(session)

        return self.transaction(fenced)


def _add_measurements(session: Session, trial_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Stores the measurements of a trial that are not stored yet."""
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
