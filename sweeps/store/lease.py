"""The lease of a sweep: the right of one driver to run the sweep, stored in the database.

A lease expires unless its holder renews it. A thread of the driver renews the lease, and every write of the driver
checks it. A driver that was suspended and lost its lease therefore cannot store anything.

If the holder ran on this machine and its process has ended, another driver takes the lease immediately.
"""

import hashlib
import logging
import os
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import ColumnElement, DateTime, func, insert, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import SingletonThreadPool

from sweeps.store.database import Database, StoreError
from sweeps.store.schema import Attempt, Lease, Measurement, Trial, utc_now

LEASE_SECONDS = 30.0
"""Duration of a lease in seconds. A driver that has not renewed its lease for this time counts as dead."""

logger = logging.getLogger(__name__)


class SweepTaken(StoreError):  # noqa: N818 - reads as what happened
    """The error of a driver whose sweep is leased to another driver."""


def acquire(database: Database, sweep_id: int, holder: str, seconds: float) -> str:
    """Takes the lease of a sweep for `seconds` and returns its token, which `renew` and `release` need.

    `holder` names this driver in messages to other drivers. Raises SweepTaken if another driver holds the lease.
    """
    token = f"{this_machine()}{os.getpid():08x}{secrets.token_hex(6)}"

    def work(session: Session) -> Lease | None:
        now = _now(session)
        new = {"token": token, "holder": holder, "expires_at": now + timedelta(seconds=seconds)}
        present = session.scalar(select(Lease.token).where(Lease.sweep_id == sweep_id))
        dead = [present] if present is not None and is_dead(present) else []
        # A single statement decides. If two drivers try at the same time, only one finds the lease unchanged.
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
        # The token is stored already if the acknowledgement of an earlier commit was lost.
        return None if lease.token == token else lease

    other = database.transaction(work)
    if other is not None:
        raise SweepTaken(
            f"name: this sweep is being driven by {other.holder}; stop that process, or wait "
            f"{seconds_left(database, sweep_id):.0f} s if it is dead"
        )
    return token


def acquire_patiently(database: Database, sweep_id: int, holder: str, seconds: float) -> str:
    """Takes the lease like `acquire`, but waits for the lease of a dead driver to expire.

    Raises SweepTaken as soon as the holder renews its lease. A running driver renews it four times in `seconds`.
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
                "waiting up to %.0f s: %s drove this sweep and did not release its lease",
                seconds_left(database, sweep_id),
                first.holder,
            )
            announced = True
        time.sleep(min(0.5, seconds / 10))


def renew(database: Database, sweep_id: int, token: str, seconds: float) -> None:
    """Renews the lease with this `token` for `seconds`. Raises SweepTaken if another driver has taken the lease."""
    database.transaction(lambda session: demand(session, sweep_id, token, seconds))


def demand(session: Session, sweep_id: int, token: str, seconds: float) -> None:
    """Renews the lease within the transaction of `session`. Raises SweepTaken if another driver has taken the lease.

    The update locks the row of the lease, so that no other driver can take the lease until the transaction ends.
    """
    renewed = session.execute(
        update(Lease)
        .where(Lease.sweep_id == sweep_id, Lease.token == token)
        .values(expires_at=_clock(session) + timedelta(seconds=seconds))
    )
    if renewed.rowcount != 1:  # type: ignore[attr-defined]
        raise SweepTaken("name: another process has taken over this sweep; this one stops")


class Keeper:
    """A thread that renews a lease every `seconds` / 4.

    It ends when `close` is called, a renewal fails or the process ends.
    """

    def __init__(self, database: Database, sweep_id: int, token: str, seconds: float) -> None:
        self.database, self.sweep_id, self.token = database, sweep_id, token
        self.seconds = seconds
        self.error: StoreError | None = None
        """Why the thread stopped renewing the lease; None if no renewal has failed."""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        # A database in memory belongs to one thread, and no other process can reach it.
        if not isinstance(database.engine.pool, SingletonThreadPool):
            self._thread.start()

    def check(self) -> None:
        """Raises the error of the renewal that failed, if any.

        The error is SweepTaken if another driver has taken the lease, and StoreError if the database failed.
        """
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Stops the renewals. The lease stays valid until it expires or is released."""
        self._closed.set()
        if self._thread.is_alive():
            # The wait is short, because the thread itself may be waiting for a database that does not answer.
            self._thread.join(timeout=1.0)

    def _keep(self) -> None:
        while not self._closed.wait(self.seconds / 4):
            try:
                renew(self.database, self.sweep_id, self.token, self.seconds)
            except StoreError as error:
                self.error = error
                return


def release(database: Database, sweep_id: int, token: str) -> None:
    """Ends the lease with this `token` now, so that the next driver can start immediately."""
    database.transaction(
        lambda session: session.execute(
            update(Lease)
            .where(Lease.sweep_id == sweep_id, Lease.token == token)
            .values(expires_at=_now(session))
        )
    )


def seconds_left(database: Database, sweep_id: int) -> float:
    """Returns the seconds until the sweep's lease expires; 0 if it has expired or the sweep has no lease."""

    def work(session: Session) -> float:
        lease = session.get(Lease, sweep_id)
        return 0.0 if lease is None else (lease.expires_at - _now(session)).total_seconds()

    return max(0.0, database.transaction(work))


@cache
def this_machine() -> str:
    """Returns twelve hexadecimal digits that identify this machine or, inside a container, the container.

    The digits change at each boot. Process numbers are unique only among processes with equal digits.
    """
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return secrets.token_hex(6)  # not Linux: no other process shares the digits
    return hashlib.sha256(f"{start}{space}".encode()).hexdigest()[:12]


def is_dead(token: str) -> bool:
    """Returns whether the driver with this token ran on this machine and has ended. False if this is unknown."""
    if token[:12] != this_machine():
        return False
    try:
        os.kill(int(token[12:20], 16), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


@dataclass(frozen=True)
class Driver:
    """A driver that runs a sweep."""

    holder: str
    """The driver's machine and process, as text."""
    process: int | None
    """The driver's process number if the driver runs on this machine, otherwise None."""
    token: str
    """The token of the driver's lease."""


def driver_of(database: Database, sweep_id: int) -> Driver | None:
    """Returns the driver that holds the lease of a sweep, or None if there is none or if it is known to be dead."""
    lease = _lease(database, sweep_id)
    if lease is None or is_dead(lease.token) or seconds_left(database, sweep_id) <= 0:
        return None
    here = lease.token[:12] == this_machine()
    return Driver(lease.holder, int(lease.token[12:20], 16) if here else None, lease.token)


def last_sign(database: Database, sweep_id: int, seconds: float) -> datetime | None:
    """Returns the time (UTC) of the last renewal of a sweep's lease of `seconds`, or None if the sweep never had one.

    For a lease that was released, returns the time of the release minus `seconds`.
    """
    lease = _lease(database, sweep_id)
    return None if lease is None else lease.expires_at - timedelta(seconds=seconds)


def end_abandoned(database: Database, sweep_id: int, died_at: datetime) -> None:
    """Closes the attempts that the sweep's last driver left open when it died at `died_at` (UTC).

    Each attempt gets `died_at` as its end. The step of an attempt is the largest step at which its trial was measured.
    """

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
    """Returns the time in UTC on the clock that `_clock` chooses."""
    clock = _clock(session)
    return clock if isinstance(clock, datetime) else session.scalars(select(clock)).one()


def _clock(session: Session) -> datetime | ColumnElement[datetime]:
    """Returns the time in UTC, or an SQL expression for it.

    On PostgreSQL, the server's clock is used, so that drivers agree even if the clocks of their machines differ.
    """
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    return func.timezone("UTC", func.clock_timestamp(), type_=DateTime())
