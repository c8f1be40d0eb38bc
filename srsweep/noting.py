"""Stores the notes that a person writes in the dashboard."""

from analysis.pages.dashboard_notes import SaveNote
from analysis.read.database import load_contents
from searchspace.errors import UserError
from sweeps.store.notes import save_note
from sweeps.store.schema import REVISION
from sweeps.store.store import Store, StoreError

SECONDS = 10.0
"""Maximum number of seconds for which a failed transaction is repeated while a person waits."""


def saver(url: str) -> SaveNote:
    """Returns the function with which the dashboard stores notes in the database at `url`.

    The first note migrates a database with an older schema. The function raises UserError if the note is refused (see
    `save_note`), or if the database cannot be written.
    """

    def save(sweep: str, number: int, is_starred: bool, text: str, seen: str) -> tuple[str, str]:
        before = load_contents(url).revision
        try:
            store = Store(url, retry_seconds=SECONDS)
            try:
                kept = save_note(store, sweep, number, is_starred=is_starred, text=text, seen=seen)
            finally:
                store.close()
        except StoreError as error:
            raise UserError(str(error)) from None
        if before == REVISION:
            return "Saved.", kept
        told = (
            f"Saved. The database was migrated from schema {before} to {REVISION}: older versions of srsweep cannot "
            "open it any more."
        )
        return told, kept

    return save
