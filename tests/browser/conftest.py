"""A page of one browser for each test, and a small database with two sweeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, Chromium, find_chromium
from tests.stored import Database


@pytest.fixture(scope="session")
def running() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium")
    started = Browser(program)
    yield started
    started.close()


@pytest.fixture
def browser(running: Browser) -> Iterator[Chromium]:
    page = Chromium(running)
    yield page
    page.close()


@pytest.fixture
def two_sweeps(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "results.db")
    first = database.sweep("first")
    for number in range(6):
        values = {"params": 20_000.0 * (number + 1), "multadds": 1e9 * (number + 1)}
        database.trial(first, number, 26 + 0.3 * number, **values)
    second = database.sweep("second")
    for number in range(3):
        database.trial(second, number, 27.0 + number, params=5e4 * (number + 1), multadds=2e9)
    yield database
    database.store.close()


@pytest.fixture
def unfinished(tmp_path: Path) -> Iterator[Database]:
    """A sweep in which nothing is complete: one trial runs, one waits, one failed."""
    database = Database(tmp_path / "results.db")
    sweep_id = database.sweep("young")
    database.trial(sweep_id, 0, 26.0, 2e4, 1e9, state="running")
    database.trial(sweep_id, 1, 26.5, 4e4, 2e9, state="paused")
    error = "Traceback:\n  train.py\nValueError: loss: became <NaN> at step 3"
    database.trial(sweep_id, 2, None, 6e4, 3e9, state="failed", error=error)
    yield database
    database.store.close()
