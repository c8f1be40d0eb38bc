"""The log of failures: where it lies, what an entry holds, how large it grows."""

import sys
from pathlib import Path

import pytest

from sweeps.engine import log
from sweeps.engine.log import DEFAULT_LOG, log_failure, log_of


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("sqlite:///results.db", "results.log"),
        ("sqlite:////data/my results.sqlite3", "/data/my results.log"),
        ("sqlite+pysqlite:///runs/results.db?timeout=9", "runs/results.log"),
        ("sqlite:///results", "results.log"),
    ],
)
def test_the_log_lies_beside_the_database(storage: str, expected: str) -> None:
    assert log_of(storage) == Path(expected)


def test_the_log_never_takes_the_place_of_the_database() -> None:
    assert log_of("sqlite:///results.log") == Path("results.log.log")


@pytest.mark.parametrize(
    "storage",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:results.db?uri=true",
        "postgresql+psycopg://me:secret@host/sweeps",
    ],
)
def test_a_database_without_a_folder_has_its_log_here(storage: str) -> None:
    assert log_of(storage) == DEFAULT_LOG


def test_an_entry_tells_when_and_what_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:secret@host/sweeps"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/srsweep", "front", "a sweep", "--db", url])
    file = tmp_path / "results.log"
    assert log_failure(file, "first\n")
    assert log_failure(file, f"Traceback\nValueError: {url}")
    first, second = file.read_text().split("\n\n", 1)
    head, body = first.splitlines()
    assert head[:2] == "20"
    assert head.endswith("srsweep front 'a sweep' --db 'postgresql://me:***@host/sweeps'")
    assert body == "first"
    assert second.rstrip().endswith("Traceback\nValueError: postgresql://me:***@host/sweeps")
    assert "secret" not in file.read_text()


def test_the_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 1_000)
    monkeypatch.setattr(log, "MAX_CHARACTERS", 300)
    file = tmp_path / "results.log"
    for number in range(40):
        assert log_failure(file, "x" * 5_000 + f" end of {number}")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["results.1.log", "results.log"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * (1_000 + 1_000)
    assert "end of 39" in file.read_text()


def test_a_log_that_cannot_be_written_is_told_and_raises_nothing(tmp_path: Path) -> None:
    assert not log_failure(tmp_path / "no" / "results.log", "text")
    assert not log_failure(tmp_path, "text")
