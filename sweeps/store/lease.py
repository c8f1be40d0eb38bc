"""Who may drive a sweep: a lease in the database that expires unless its holder keeps renewing it.

That a driver of the same machine is dead can be seen: its lease is taken over at once.

A thread renews it, whatever the driver is busy with; every transaction of the driver demands it, so
that one who was suspended and has lost it stores nothing more.
"""

import hashlib
import logging
import os
import secrets
import threading
import time
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import ColumnElement, DateTime, func, insert, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import SingletonThreadPool

from sweeps.store.database import Database, StoreError
from sweeps.store.schema import Attempt, Lease, Measurement, Trial, utc_now

LEASE_SECONDS = 30.0
"""A driver that has not renewed its lease for so long is taken for dead."""

logger = logging.getLogger(__name__)


class SweepTaken(StoreError):  # noqa: N818 - reads as what happened
    """Another driver holds the sweep's lease."""


def acquire(database: Database, sweep_id: int, holder: str, seconds: float) -> str:
    """A token that lets its owner drive the sweep; raises SweepTaken while another driver's lease runs."""
    token = f"{this_machine()}{os.getpid():08x}{secrets.token_hex(6)}"

    def work(session: Session) -> Lease | None:
        now = _now(session)
        new = {"token": token, "holder": holder, "expires_at": now + timedelta(seconds=seconds)}
        present = session.scalar(select(Lease.token).where(Lease.sweep_id == sweep_id))
        dead = [present] if present is not None and is_dead(present) else []
        # One statement decides: of two drivers that come at once, only one finds the lease as it was.
        taken = session.execute(
            update(Lease)
            .where(Lease.sweep_id == sweep_id, or_(Lease.expires_at <= now, Lease.token.in_(dead)))
            .values(**new)
        )
        if taken.rowcount == 1:  # type: ignore[attr-defined]
            return None
        lease = session.get(Lease, sweep_id)
        if lease is None:
            session.execute(insert(Lease).values(sweep_id=sweep_id, **new))
            return None
        # Ours already where the commit's acknowledgement was lost.
        return None if lease.token == token else lease

    other = database.transaction(work)
    if other is not None:
        raise SweepTaken(
            f"name: this sweep is being driven by {other.holder}; stop that one, or wait "
            f"{seconds_left(database, sweep_id):.0f} s after it has died"
        )
    return token


def acquire_patiently(database: Database, sweep_id: int, holder: str, seconds: float) -> str:
    """As `acquire`, but waits for the lease of a dead driver to expire.

    A driver that lives renews its lease four times in `seconds`: SweepTaken is raised as soon as it does.
    """
    first = _lease(database, sweep_id)
    announced = False
    while True:
        try:
            return acquire(database, sweep_id, holder, seconds)
        except SweepTaken:
            now = _lease(database, sweep_id)
            if first is None or now is None or _renewed(first, now):
                raise
        if not announced:
            logger.warning(
                "waiting up to %.0f s: %s drove this sweep and did not say that it ended",
                seconds_left(database, sweep_id),
                first.holder,
            )
            announced = True
        time.sleep(min(0.5, seconds / 10))


def renew(database: Database, sweep_id: int, token: str, seconds: float) -> None:
    """Keep the lease alive; raises SweepTaken where another driver has taken it meanwhile."""
    database.transaction(lambda session: demand(session, sweep_id, token, seconds))


def demand(session: Session, sweep_id: int, token: str, seconds: float) -> None:
    """Renew the lease within a transaction; raises SweepTaken where another driver has taken it.

    Until the transaction ends nobody can take it, for its row is locked.
    """
    renewed = session.execute(
        update(Lease)
        .where(Lease.sweep_id == sweep_id, Lease.token == token)
        .values(expires_at=_clock(session) + timedelta(seconds=seconds))
    )
    if renewed.rowcount != 1:  # type: ignore[attr-defined]
        raise SweepTaken("name: another driver has taken over this sweep; this one stops")


class Keeper:
    """A thread that renews a lease four times in its duration until it is closed, or its process ends."""

    def __init__(self, database: Database, sweep_id: int, token: str, seconds: float) -> None:
        self.database, self.sweep_id, self.token = database, sweep_id, token
        self.seconds = seconds
        self.error: StoreError | None = None
        """Why the lease is kept no longer."""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        # A database in memory belongs to one thread, and nobody else can come to it.
        if not isinstance(database.engine.pool, SingletonThreadPool):
            self._thread.start()

    def check(self) -> None:
        """Raise SweepTaken where another driver has the lease, StoreError where the database is gone."""
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Leave the lease as it is."""
        self._closed.set()
        if self._thread.is_alive():
            # Not for long: the thread may be waiting for a database that is away.
            self._thread.join(timeout=1.0)

    def _keep(self) -> None:
        while not self._closed.wait(self.seconds / 4):
            try:
                renew(self.database, self.sweep_id, self.token, self.seconds)
            except StoreError as error:
                self.error = error
                return


def release(database: Database, sweep_id: int, token: str) -> None:
    """Let the next driver start at once."""
    database.transaction(
        lambda session: session.execute(
            update(Lease)
            .where(Lease.sweep_id == sweep_id, Lease.token == token)
            .values(expires_at=_now(session))
        )
    )


def seconds_left(database: Database, sweep_id: int) -> float:
    """Seconds until the lease expires, 0 where it has."""

    def work(session: Session) -> float:
        lease = session.get(Lease, sweep_id)
        return 0.0 if lease is None else (lease.expires_at - _now(session)).total_seconds()

    return max(0.0, database.transaction(work))


@cache
def this_machine() -> str:
    """Twelve hexadecimal digits of this start of this machine (or container), in which process numbers hold."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return secrets.token_hex(6)  # no Linux: every machine is another one
    return hashlib.sha256(f"{start}{space}".encode()).hexdigest()[:12]


def is_dead(token: str) -> bool:
    """Whether the driver with this token ran on this machine and is no more; False where that is not known."""
    if token[:12] != this_machine():
        return False
    try:
        os.kill(int(token[12:20], 16), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def last_sign(database: Database, sweep_id: int, seconds: float) -> datetime | None:
    """When a driver with a lease of `seconds` was last seen alive; None where there never was one."""
    lease = _lease(database, sweep_id)
    return None if lease is None else lease.expires_at - timedelta(seconds=seconds)


def end_abandoned(database: Database, sweep_id: int, died_at: datetime) -> None:
    """Close what a driver that died at `died_at` left open, with the seconds and the step that are known."""

    def work(session: Session) -> None:
        own = select(Trial.id).where(Trial.sweep_id == sweep_id)
        still_open = Attempt.trial_id.in_(own) & Attempt.ended_at.is_(None)
        for attempt in session.scalars(select(Attempt).where(still_open)):
            attempt.ended_at = max(died_at, attempt.started_at)
            attempt.seconds = (attempt.ended_at - attempt.started_at).total_seconds()
            measured = select(func.max(Measurement.step))
            measured = measured.where(Measurement.trial_id == attempt.trial_id)
            attempt.step = session.scalar(measured) or 0

    database.transaction(work)


def _lease(database: Database, sweep_id: int) -> Lease | None:
    return database.transaction(lambda session: session.get(Lease, sweep_id))


def _renewed(first: Lease, now: Lease) -> bool:
    return (first.token, first.expires_at) != (now.token, now.expires_at)


def _now(session: Session) -> datetime:
    """What `_clock` says."""
    clock = _clock(session)
    return clock if isinstance(clock, datetime) else session.scalars(select(clock)).one()


def _clock(session: Session) -> datetime | ColumnElement[datetime]:
    """UTC by the database's clock, so that drivers on machines whose clocks differ agree."""
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    return func.timezone("UTC", func.clock_timestamp(), type_=DateTime())
