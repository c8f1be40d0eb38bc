"""`srsweep delete` deletes one sweep with its checkpoints, asks first, and never touches a sweep that a driver runs."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import func, select

from analysis.read.frames import load_sweeps, load_trials
from srsweep.cli import main
from srsweep.commands import delete as command
from sweeps.store import schema
from sweeps.store.lease import acquire, release
from tests.srsweep.calls import mistake, succeed
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import SMALL


def rows(database: Database) -> dict[str, int]:
    """The number of rows of each table but that of Alembic."""
    tables = [
        table for table in schema.Base.metadata.sorted_tables if table.name != "alembic_version"
    ]
    with database.store.engine.connect() as connection:
        return {
            each.name: connection.scalar(select(func.count()).select_from(each)) or 0
            for each in tables
        }


def test_all_rows_of_one_sweep_go_and_those_of_others_stay(small: Database) -> None:
    before = rows(small)
    other = small.sweep("other")
    small.trial(other, 0, 26.0, 10_000, 1e9)
    told = succeed("delete", "other", "--yes", "--db", small.url).stdout
    assert told.startswith(f"deleted sweep other with 1 trial in {small.url}, and no checkpoint")
    assert rows(small) == before
    assert load_sweeps(small.url)["name"].tolist() == ["small"]
    succeed("delete", "small", "--yes", "--db", small.url)
    assert set(rows(small).values()) == {0}


def test_a_sweep_that_a_driver_runs_stays(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (sweep_id,) = load_sweeps(small.url)["sweep_id"]
    # A driver on another machine, which nobody here can know to be dead.
    monkeypatch.setattr("sweeps.store.lease.this_machine", lambda: "0" * 12)
    token = acquire(small.store.database, int(sweep_id), "elsewhere (process 7)", 60.0)
    monkeypatch.undo()
    before = rows(small)
    result = succeed("delete", "small", "--yes", "--db", small.url, code=1)
    assert "this sweep is being driven by elsewhere (process 7)" in result.stderr
    assert rows(small) == before
    release(small.store.database, int(sweep_id), token)
    succeed("delete", "small", "--yes", "--db", small.url)


def test_without_a_terminal_it_needs_yes_and_deletes_nothing(small: Database) -> None:
    told = mistake("delete", "small", "--db", small.url)
    assert "--yes: must be given where nobody can answer" in told
    assert "sweep small with 6 trials" in told
    assert len(load_trials(small.url)) == 6


@pytest.mark.parametrize(("answer", "left"), [("n\n", 6), ("\n", 6), ("y\n", 0)])
def test_a_person_is_asked(
    small: Database, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    result = CliRunner().invoke(main, ["delete", "small", "--db", small.url], input=answer)
    assert "delete sweep small with 6 trials" in result.output
    assert result.exit_code == (0 if left == 0 else 1)
    assert len(load_trials(small.url)) == left


def test_an_unknown_sweep_and_a_missing_database_are_named(small: Database, tmp_path: Path) -> None:
    assert "there is none called 'smal'" in mistake("delete", "smal", "--yes", "--db", small.url)
    none = f"sqlite:///{tmp_path}/none.db"
    assert "there is no database" in mistake("delete", "small", "--yes", "--db", none)
    assert not (tmp_path / "none.db").exists()


def test_checkpoints_of_its_trials_go_and_every_other_file_stays(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    sweep_id = database.sweep("mine")
    database.trial(sweep_id, 0, 26.0, 10_000, 1e9)
    text = yaml.safe_dump(SMALL | {"name": "mine", "checkpoints": str(folder)})
    database.store.add_life(
        sweep_id, text=text, host="box", git_commit="", git_dirty=False, versions={}
    )
    gone = [folder / "mine/0/attempt-1.pt", folder / "mine/0/attempt-12.pt"]
    kept = [
        folder / "mine/0/notes.txt",
        folder / "mine/7/attempt-1.pt",
        folder / "other/0/attempt-1.pt",
    ]
    for file in (*gone, *kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    told = succeed("delete", "mine", "--yes", "--db", database.url).stdout
    assert f"and 2 checkpoints in {folder / 'mine'}" in told
    assert not any(file.exists() for file in gone)
    assert all(file.exists() for file in kept)


def test_empty_folders_of_checkpoints_go_too(database: Database, tmp_path: Path) -> None:
    sweep_id = database.sweep("mine")
    database.trial(sweep_id, 3, 26.0, 10_000, 1e9)
    text = yaml.safe_dump(SMALL | {"name": "mine", "checkpoints": str(tmp_path / "runs")})
    database.store.add_life(
        sweep_id, text=text, host="box", git_commit="", git_dirty=False, versions={}
    )
    file = tmp_path / "runs/mine/3/attempt-1.pt"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    assert "and 1 checkpoint in" in succeed("delete", "mine", "--yes", "--db", database.url).stdout
    assert list((tmp_path / "runs").iterdir()) == []
