"""Deletes or renames a whole sweep in one transaction, unless a driver is running the sweep."""

from collections.abc import Callable

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from searchspace.errors import UserError
from sweeps.store import schema
from sweeps.store.lease import LEASE_SECONDS, acquire, demand, release
from sweeps.store.provenance import holder
from sweeps.store.store import Store

OF_TRIALS = (schema.Measurement, schema.Attempt, schema.TrialKnob, schema.TrialNote)
"""Tables whose rows belong to a trial."""
OF_SWEEPS = (schema.Trial, schema.SweepFact, schema.Life, schema.Lease)
"""Tables whose rows belong to a sweep."""


def delete_sweep(store: Store, name: str) -> None:
    """Deletes every row of the sweep called `name`.

    Raises UserError if there is no such sweep, and SweepTaken if a driver runs it. Then nothing is deleted.
    """

    def work(session: Session, sweep_id: int) -> None:
        trials = select(schema.Trial.id).where(schema.Trial.sweep_id == sweep_id)
        for table in OF_TRIALS:
            session.execute(delete(table).where(table.trial_id.in_(trials)))
        for own in OF_SWEEPS:
            session.execute(delete(own).where(own.sweep_id == sweep_id))
        session.execute(delete(schema.Sweep).where(schema.Sweep.id == sweep_id))

    _alone(store, name, work)


def rename_sweep(store: Store, name: str, new: str, move: Callable[[], None]) -> None:
    """Renames the sweep called `name`, and calls `move` in the same transaction. `move` renames the sweep's files.

    Raises UserError if there is no such sweep or another one is called `new`. Raises SweepTaken if a driver runs the
    sweep. An error of `move` is passed on. After any error, the sweep keeps its name.
    """

    def work(session: Session, sweep_id: int) -> None:
        # After a lost acknowledgement the transaction runs again, and the sweep itself has the new name.
        if session.scalar(_id_of(new)) not in (None, sweep_id):
            raise UserError(f"sweep: there is already one called {new!r} in {store.name}")
        session.execute(update(schema.Sweep).where(schema.Sweep.id == sweep_id).values(name=new))
        session.flush()
        move()

    token, sweep_id = _alone(store, name, work)
    release(store.database, sweep_id, token)


def _id_of(name: str) -> Select[int]:
    return select(schema.Sweep.id).where(schema.Sweep.name == name)


def _alone(store: Store, name: str, work: Callable[[Session, int], None]) -> tuple[str, int]:
    """Takes the sweep's lease, so that no driver can begin, and calls `work` in a transaction under this lease.

    Returns the lease's token and the sweep's id.
    """
    sweep_id = store.transaction(lambda session: session.scalar(_id_of(name)))
    if sweep_id is None:
        raise UserError(f"sweep: there is none called {name!r} in {store.name}")
    token = acquire(store.database, sweep_id, holder(), LEASE_SECONDS)

    def leased(session: Session) -> None:
        demand(session, sweep_id, token, LEASE_SECONDS)
        work(session, sweep_id)

    try:
        store.transaction(leased)
    except (UserError, OSError):
        release(store.database, sweep_id, token)
        raise
    return token, sweep_id
