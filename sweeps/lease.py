"""Who may drive a sweep: a lease in the database that expires unless its holder keeps renewing it."""

import logging
import secrets
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from sweeps.database import Database, StoreError
from sweeps.schema import Lease, utc_now

LEASE_SECONDS = 30.0
"""A driver that has not renewed its lease for so long is taken for dead."""

logger = logging.getLogger(__name__)


class SweepTaken(StoreError):  # noqa: N818 - reads as what happened
    """Another driver holds the sweep's lease."""


def acquire(database: Database, sweep_id: int, holder: str, seconds: float) -> str:
    """A token that lets its owner drive the sweep; raises SweepTaken while another driver's lease runs."""
    token = secrets.token_hex(16)

    def work(session: Session) -> Lease | None:
        now = _now(session)
        new = {"token": token, "holder": holder, "expires_at": now + timedelta(seconds=seconds)}
        # One statement decides: of two drivers that come at once, only one finds the lease expired.
        taken = session.execute(
            update(Lease).where(Lease.sweep_id == sweep_id, Lease.expires_at <= now).values(**new)
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

    def work(session: Session) -> bool:
        renewed = session.execute(
            update(Lease)
            .where(Lease.sweep_id == sweep_id, Lease.token == token)
            .values(expires_at=_now(session) + timedelta(seconds=seconds))
        )
        return bool(renewed.rowcount == 1)  # type: ignore[attr-defined]

    if not database.transaction(work):
        raise SweepTaken("name: another driver has taken over this sweep; this one stops")


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


def _lease(database: Database, sweep_id: int) -> Lease | None:
    return database.transaction(lambda session: session.get(Lease, sweep_id))


def _renewed(first: Lease, now: Lease) -> bool:
    return (first.token, first.expires_at) != (now.token, now.expires_at)


def _now(session: Session) -> datetime:
    """UTC by the database's clock, so that drivers on machines whose clocks differ agree."""
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    now = session.scalar(select(func.clock_timestamp()))
    assert isinstance(now, datetime)
    return now.astimezone(UTC).replace(tzinfo=None)
