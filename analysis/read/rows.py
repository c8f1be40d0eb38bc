"""Loads the trials of a sweep in the form that drivers use."""

from sqlalchemy.orm import Session

from analysis.read.database import open_database, sweep_ids
from sweeps.records import TrialRow
from sweeps.store.reading import trials


def load_rows(url: str, sweep: str) -> list[TrialRow]:
    """Returns the trials of `sweep` with all their measurements, sorted by number. Raises UserError if there is no such sweep."""
    with open_database(url) as connection:
        return trials(Session(connection), sweep_ids(connection, [sweep])[sweep])
