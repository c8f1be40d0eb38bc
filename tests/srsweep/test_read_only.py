"""A command that only reads fetches nothing, and writes nothing but its output, whatever a database says."""

import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from sweeps.run import run_sweep
from tests.srsweep.calls import invoke, mistake, succeed
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import SMALL, small_config

READING = {
    "status": ["status"],
    "trials": ["status", "tiny"],
    "front": ["front", "tiny"],
    "csv": ["front", "tiny", "--csv"],
    "select": ["select", "tiny", "--max", "params=1M"],
    "families": ["families"],
    "report": ["report", "tiny", "-o", "page.html"],
    "export-optuna": ["export-optuna", "tiny", "-o", "study.db"],
}
OUTPUT = {"report": "page.html", "export-optuna": "study.db"}


def content(folder: Path) -> dict[str, str]:
    """Returns a digest of each file below a folder, and of its links and folders by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `there` with a sweep of another machine, whose checkpoints are in an object store beside it."""
    folder = tmp_path_factory.mktemp("trained")
    config = small_config(
        folder,
        checkpoints=f"file://{folder / 'store'}",
        search={"sampler": "random", "trials": 2, "keep_weights": "all"},
    )
    run_sweep(config)
    shutil.rmtree(folder / "cache")
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty but for the database."""
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(trained / "results.db", folder / "results.db")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("command", READING)
def test_nothing_is_fetched_or_written(trained: Path, here: Path, command: str) -> None:
    """Once, `report` copied checkpoints from the stored URL into the stored cache, and decoded images into `cache`."""
    before, there = content(here), content(trained)
    succeed(*READING[command])
    after = content(here)
    new = set(after) - set(before)
    assert new == ({OUTPUT[command]} if command in OUTPUT else set())
    assert {name: after[name] for name in before} == before
    assert content(trained) == there


def test_a_report_says_that_it_fetches_nothing(here: Path) -> None:
    succeed("report", "tiny", "-o", "page.html")
    assert "a report fetches nothing" in (here / "page.html").read_text()


def test_an_evaluation_fetches_and_says_from_where(trained: Path, here: Path) -> None:
    """`evaluate` needs the weights and copies them to the sweep's own folder."""
    done = invoke("evaluate", "tiny#0")  # there is no test set
    assert f"fetched attempt-1.pt from file://{trained / 'store'}/tiny/0 to " in done.stderr
    shutil.rmtree(trained / "cache")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["checkpoints", "cache"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_places_that_a_foreign_text_names_are_not_written(
    small: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, scheme: str
) -> None:
    place = tmp_path / "place"
    text = {**SMALL, "name": "small", where: f"{scheme if where == 'checkpoints' else ''}{place}"}
    sweep_id = 1
    small.store.add_life(
        sweep_id,
        text=yaml.safe_dump(text),
        host="evil",
        git_commit="",
        git_dirty=False,
        versions={},
    )
    small.store.close()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = content(tmp_path)
    succeed("report", "small", "--db", small.url, "-o", "page.html")
    succeed("status", "small", "--db", small.url)
    assert set(content(tmp_path)) - set(before) == {"here/page.html"}
    assert not place.exists()


def test_a_database_of_a_killed_driver_keeps_its_log(small: Database, tmp_path: Path) -> None:
    """Rows that are only in the write-ahead log are read, and neither file changes."""
    small.sweep("second")
    path = Path(small.url.removeprefix("sqlite:///"))
    assert Path(f"{path}-wal").stat().st_size > 0
    before = (path.read_bytes(), Path(f"{path}-wal").read_bytes())
    assert "second" in succeed("status", "--db", small.url).output
    assert (path.read_bytes(), Path(f"{path}-wal").read_bytes()) == before


def test_a_database_without_a_log_is_read_as_it_is(small: Database, tmp_path: Path) -> None:
    small.store.close()
    path = Path(small.url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode=delete")
    connection.close()
    before = content(tmp_path)
    succeed("status", "small", "--db", small.url)
    assert content(tmp_path) == before


def test_a_damaged_checkpoint_is_not_evaluated(trained: Path, here: Path) -> None:
    """A flipped byte of a checkpoint would change the PSNR."""
    path = next((trained / "store" / "tiny" / "0").iterdir())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    (here / "damaged.pt").write_bytes(damaged)
    line = mistake("evaluate", "tiny#0", "--weights", "damaged.pt")
    assert "damaged.pt: its content has changed since it was written" in line
