"""Reads the stars and notes that people put on trials."""

import pandas as pd
from sqlalchemy import select

from analysis.read.database import open_database, read, sweep_ids
from sweeps.store.row_checks import NEWER
from sweeps.store.schema import Trial, TrialNote, revision_of


def load_notes(url: str, sweep: str) -> pd.DataFrame:
    """Returns one row per trial of `sweep` with a star or a text: id, number, is_starred, note.

    Returns no rows if the database is older than the table of notes.
    """
    with open_database(url) as connection:
        if (revision_of(connection) or "") < NEWER[TrialNote.__tablename__]:
            return pd.DataFrame({"id": [], "number": [], "is_starred": [], "note": []})
        query = (
            select(Trial.id, Trial.number, TrialNote.is_starred, TrialNote.text.label("note"))
            .join(TrialNote, TrialNote.trial_id == Trial.id)
            .where(Trial.sweep_id == sweep_ids(connection, [sweep])[sweep])
            .where(TrialNote.is_starred | (TrialNote.text != ""))
        )
        return read(connection, query)
