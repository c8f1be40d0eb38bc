"""Stars and notes on trials: nobody's text is lost, whatever is done to its sweep."""

import sqlite3
from pathlib import Path

import pytest

from analysis.read.notes import load_notes
from searchspace.errors import UserError
from sweeps.store.management import delete_sweep, rename_sweep
from sweeps.store.merge import merge
from sweeps.store.notes import save_note
from sweeps.store.schema import LONGEST_NOTE
from tests.stored import Database
from tests.sweeps.store.older import write_version_1


def noted(url: str, sweep: str) -> list[tuple[int, bool, str]]:
    rows = load_notes(url, sweep)[["number", "is_starred", "note"]]
    return [(int(n), bool(starred), str(text)) for n, starred, text in rows.itertuples(index=False)]


def note(database: Database, text: str, *, seen: str = "", star: bool = False) -> None:
    save_note(database.store, "small", 1, is_starred=star, text=text, seen=seen)


def test_a_note_is_kept_until_its_writer_changes_it(small: Database) -> None:
    note(small, "good\r\non edges \x1b[2J ", star=True)
    assert noted(small.url, "small") == [(1, True, "good\non edges \\x1b[2J")]
    note(small, "", seen="good\non edges \\x1b[2J")
    assert noted(small.url, "small") == []


def test_a_note_that_somebody_else_has_changed_is_not_replaced(small: Database) -> None:
    note(small, "mine")
    with pytest.raises(UserError, match="somebody has changed the note of small#1"):
        note(small, "yours", seen="")
    assert noted(small.url, "small") == [(1, False, "mine")]


def test_a_note_on_no_trial_and_a_note_without_end_are_refused(small: Database) -> None:
    with pytest.raises(UserError, match="there is no trial small#99"):
        save_note(small.store, "small", 99, is_starred=True, text="", seen="")
    with pytest.raises(UserError, match="at most 10,000 characters, got 10,001"):
        note(small, "x" * (LONGEST_NOTE + 1))


def test_a_renamed_sweep_keeps_its_notes_and_a_deleted_one_leaves_none(small: Database) -> None:
    note(small, "mine")
    rename_sweep(small.store, "small", "other", lambda: None)
    assert noted(small.url, "other") == [(1, False, "mine")]
    delete_sweep(small.store, "other")
    with sqlite3.connect(small.url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("select count(*) from trial_notes").fetchone() == (0,)
    connection.close()


def test_a_merge_brings_notes_and_unites_those_of_both_sides(
    small: Database, tmp_path: Path
) -> None:
    note(small, "from there", star=True)
    here = Database(tmp_path / "here.db")
    merge(small.url, here.store)
    assert noted(here.url, "small") == [(1, True, "from there")]
    note(here, "from here", seen="from there")
    for _ in range(2):  # a second merge adds nothing
        merge(small.url, here.store)
        assert noted(here.url, "small") == [(1, True, "from here\n\nfrom there")]
    here.store.close()


def test_a_database_from_before_notes_has_none(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    write_version_1(path)
    assert load_notes(f"sqlite:///{path}", "first").empty
