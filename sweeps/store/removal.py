"""Deletes a sweep from the database, in one transaction and only if no driver runs it."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from searchspace.errors import UserError
from sweeps.store import schema
from sweeps.store.lease import LEASE_SECONDS, acquire, demand
from sweeps.store.provenance import holder
from sweeps.store.store import Store

OF_TRIALS = (schema.Measurement, schema.Attempt, schema.TrialKnob)
"""Tables whose rows belong to a trial."""
OF_SWEEPS = (schema.Trial, schema.SweepFact, schema.Life, schema.Lease)
"""Tables whose rows belong to a sweep."""


def delete_sweep(store: Store, name: str) -> None:
    """Deletes every row of the sweep called `name`.

    Raises UserError if there is no such sweep, and SweepTaken if a driver runs it. Then nothing is deleted.
    """
    wanted = select(schema.Sweep.id).where(schema.Sweep.name == name)
    sweep_id = store.transaction(lambda session: session.scalar(wanted))
    if sweep_id is None:
        raise UserError(f"sweep: there is none called {name!r} in {store.name}")
    # With the lease, no driver can begin before the rows are gone.
    token = acquire(store.database, sweep_id, holder(), LEASE_SECONDS)

    def work(session: Session) -> None:
        demand(session, sweep_id, token, LEASE_SECONDS)
        trials = select(schema.Trial.id).where(schema.Trial.sweep_id == sweep_id)
        for table in OF_TRIALS:
            session.execute(delete(table).where(table.trial_id.in_(trials)))
        for own in OF_SWEEPS:
            session.execute(delete(own).where(own.sweep_id == sweep_id))
        session.execute(delete(schema.Sweep).where(schema.Sweep.id == sweep_id))

    store.transaction(work)
