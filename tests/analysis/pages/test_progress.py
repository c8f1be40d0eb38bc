"""Tests the progress of a sweep: its trials so far, the trials that its file asks for, and its speed."""

import sqlite3
from datetime import timedelta

import pytest

from analysis.pages.live import load_live
from analysis.pages.progress import progress_of
from sweeps.store.schema import utc_now
from tests.stored import Database


def write(database: Database, text: str) -> None:
    life = {"host": "box", "git_commit": "", "git_dirty": False, "versions": {}}
    database.store.add_life(1, text=text, **life)  # type: ignore[arg-type]


def end(database: Database, number: int, seconds_ago: float) -> None:
    at = utc_now() - timedelta(seconds=seconds_ago)
    with sqlite3.connect(database.url.removeprefix("sqlite:///")) as connection:
        connection.execute(
            "update attempts set ended_at = ? where trial_id ="
            " (select id from trials where number = ?)",
            (f"{at:%Y-%m-%d %H:%M:%S.%f}", number),
        )
    connection.close()


def test_the_time_left_follows_the_pace_of_the_last_trials(database: Database) -> None:
    sweep_id = database.sweep("first")
    write(database, "search: {trials: 5}\nseeds: 2")
    for number in range(3):
        database.trial(sweep_id, number, 27.0 + number, 1e4, 1e9)
        end(database, number, 100 * (3 - number))
    database.trial(sweep_id, 3, 26.0, 1e4, 1e9, state="running")
    progress = progress_of(load_live(database.url, "first"))
    assert progress is not None
    assert (progress.ended, progress.planned) == (3, 10)
    # Seven trials of 100 seconds are left, and the last one ended 100 seconds ago.
    assert progress.seconds_left == pytest.approx(600, abs=30)
    assert progress.text == "3 of 10 trials have ended · about 10 min left"
    end(database, 2, 10**6)
    end(database, 1, 10**6 + 100)
    end(database, 0, 10**6 + 200)
    stale = progress_of(load_live(database.url, "first"))
    assert stale is not None
    assert stale.text == "3 of 10 trials have ended"


def test_a_sweep_with_a_limit_on_hours_follows_it_and_ends_with_it(database: Database) -> None:
    sweep_id = database.sweep("first")
    for number in range(2):
        database.trial(sweep_id, number, 27.0, 1e4, 1e9)  # 90 seconds each
    write(database, "search: {trials: 200, hours: 0.1}")
    progress = progress_of(load_live(database.url, "first"))
    assert progress is not None
    assert progress.share == pytest.approx(0.5)
    assert progress.text == "2 of 200 trials have ended · 3 min of 6 min of training used"
    write(database, "search: {trials: 200, hours: 0.05}")
    assert progress_of(load_live(database.url, "first")) is None


@pytest.mark.parametrize("text", ["search: {trials: 6}", "search: {trials: x}", "- 1", "a: ["])
def test_a_sweep_that_is_done_or_cannot_be_read_has_no_progress(small: Database, text: str) -> None:
    write(small, text)
    assert progress_of(load_live(small.url, "small")) is None
