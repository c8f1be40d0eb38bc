"""Stores people's notes on trials: a star and a text. A text that the writer has not seen is never replaced."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from searchspace.errors import UserError
from sweeps.messages import visible
from sweeps.store import schema
from sweeps.store.store import Store


def save_note(
    store: Store, sweep: str, number: int, *, is_starred: bool, text: str, seen: str
) -> str:
    """Stores the star and the note of a trial in place of the earlier ones. Returns the note as it is stored.

    `seen` is the earlier text that the writer saw. Raises UserError and stores nothing if there is no such trial, if
    `text` is too long, or if somebody else has changed the text since then.
    """
    if len(text) > schema.LONGEST_NOTE:
        raise UserError(
            f"note: must have at most {schema.LONGEST_NOTE:,} characters, got {len(text):,}"
        )
    # Control characters, which could steer a terminal, become visible. Line breaks and tabs stay.
    kept = visible(text.replace("\r\n", "\n")).strip()

    def work(session: Session) -> None:
        trial_id = session.scalar(
            select(schema.Trial.id)
            .join(schema.Sweep, schema.Sweep.id == schema.Trial.sweep_id)
            .where(schema.Sweep.name == sweep, schema.Trial.number == number)
        )
        if trial_id is None:
            raise UserError(f"note: there is no trial {sweep}#{number}")
        note = session.get(schema.TrialNote, trial_id, with_for_update=True)
        # After a lost acknowledgement the transaction runs again and finds its own text.
        if note is not None and note.text not in (seen, kept):
            raise UserError(
                f"note: somebody has changed the note of {sweep}#{number} meanwhile; it now reads {note.text[:200]!r}"
            )
        if note is None:
            note = schema.TrialNote(trial_id=trial_id)
            session.add(note)
        note.is_starred, note.text, note.changed_at = is_starred, kept, schema.utc_now()

    store.transaction(work)
    return kept


def of_trials(session: Session, ids: Iterable[int]) -> dict[int, schema.TrialNote]:
    """Returns the notes of the trials `ids`, by the trial's id."""
    wanted = set(ids)
    found = session.scalars(select(schema.TrialNote))
    return {note.trial_id: note for note in found if note.trial_id in wanted}


def unite(
    session: Session,
    before: Mapping[int, schema.TrialNote],
    others: Sequence[Mapping[str, Any]],
    ids: Mapping[int, int],
) -> None:
    """Adds the notes of another database to the notes `before`, which this database had before the merge.

    `before` is keyed by our ids of trials. `others` are rows of the other database, and `ids` maps its ids of trials
    to ours. A trial keeps a star from either side. The other text is appended to ours unless ours contains it.
    """
    for row in others:
        note = before.get(ids.get(row["trial_id"], -1))
        if note is None:
            continue
        text = note.text if row["text"] in note.text else f"{note.text}\n\n{row['text']}".strip()
        starred = note.is_starred or bool(row["is_starred"])
        if (text, starred) != (note.text, note.is_starred):
            note.text, note.is_starred, note.changed_at = text, starred, schema.utc_now()
    session.flush()
