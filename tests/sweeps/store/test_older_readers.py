"""Reports and merges read databases of other schemas or say what to do. They never change them."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from analysis.read import database
from analysis.read.frames import load_curves, load_lives, load_sweeps, load_trials
from analysis.read.live_rows import load_rows, load_seconds
from analysis.read.points import load_points, load_reasons
from searchspace.errors import UserError
from srsweep.cli import main
from sweeps.store import migrations, schema
from sweeps.store.merge import merge
from sweeps.store.store import Store, StoreMistake
from tests.cluster.rows import attempts, rows
from tests.sweeps.store.older import make_version_1, opened, revision_of, write_version_1


def newer(path: Path) -> str:
    """The URL of a database that a later srsweep has migrated."""
    url = f"sqlite:///{path}"
    store = Store(url)
    with store.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '0099'"))
    store.close()
    return url


def test_a_newer_database_is_refused_in_one_line(tmp_path: Path) -> None:
    url = newer(tmp_path / "newer.db")
    here = Store(f"sqlite:///{tmp_path / 'here.db'}")
    told = rf"^storage: [^\n]*newer.db has schema 0099, [^\n]* up to {schema.REVISION}; update srsweep[^\n]*$"
    for use in (Store, load_sweeps, lambda url: merge(url, here)):
        with pytest.raises(UserError, match=told):
            use(url)  # type: ignore[operator]
    assert revision_of(url) == "0099"
    here.close()


def test_the_tables_of_another_program_that_uses_alembic_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table users (id int)")
        connection.execute("create table alembic_version (version_num varchar(32))")
        connection.execute("insert into alembic_version values ('1975ea83b712')")
    before = path.read_bytes()
    with pytest.raises(StoreMistake, match=r"holds other tables \(users\)"):
        Store(f"sqlite:///{path}")
    with pytest.raises(UserError, match="is not a database of srsweep"):
        load_sweeps(f"sqlite:///{path}")
    with pytest.raises(StoreMistake, match="is not a database of srsweep"):
        merge(str(path), Store("sqlite:///:memory:"))
    assert path.read_bytes() == before or revision_of(path) is None


@pytest.fixture
def oldest(tmp_path: Path) -> str:
    """The oldest database that reports promise to read, with the rows of version 1."""
    path = tmp_path / "oldest.db"
    write_version_1(path)
    with opened(path) as connection:
        migrations.upgrade(connection, schema.OLDEST_READABLE)
    return f"sqlite:///{path}"


def test_reports_read_the_oldest_schema_that_they_promise_to_read(oldest: str) -> None:
    assert list(load_sweeps(oldest)["name"]) == ["first", "second"]
    assert len(load_trials(oldest)) == 6
    assert len(load_curves(oldest)) == 10
    assert len(load_lives(oldest)) == 2
    assert len(load_points(oldest, "first", ["psnr_y", "params"])) == 1
    assert len(load_rows(oldest, np.array([1, 2]))) == 2
    assert load_reasons(oldest, "first").empty
    assert load_seconds(oldest, "first") == 2.5
    new = oldest.replace("oldest.db", "new.db")
    merge(oldest, Store(new))
    assert load_trials(oldest).equals(load_trials(new))


@pytest.mark.parametrize("command", ["status", "front", "report"])
def test_a_command_that_reads_migrates_nothing(old: Path, tmp_path: Path, command: str) -> None:
    before = old.read_bytes()
    rest = ["-o", str(tmp_path / "report.html")] if command == "report" else []
    done = CliRunner().invoke(main, [command, "first", *rest, "--db", f"sqlite:///{old}"])
    assert done.exit_code == 0, done.output
    assert old.read_bytes() == before
    assert revision_of(old) == "0001"


def test_a_schema_that_reports_do_not_read_is_told_with_the_command_that_migrates_it(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OLDEST_READABLE", "0002")
    told = r"^storage: [^\n]*old.db has schema 0001, [^\n]*0002 or newer; `srsweep run`[^\n]*$"
    with pytest.raises(UserError, match=told):
        load_sweeps(f"sqlite:///{old}")


def test_merging_an_old_file_takes_every_row_and_leaves_the_file_as_it_is(
    old: Path, tmp_path: Path
) -> None:
    before, here = old.read_bytes(), f"sqlite:///{tmp_path / 'here.db'}"
    assert [m.new_trials for m in merge(str(old), Store(here))] == [3, 3]
    for name in ("first", "second"):
        assert rows(here, name) == rows(f"sqlite:///{old}", name)
        assert attempts(here, name) == attempts(f"sqlite:///{old}", name)
    assert old.read_bytes() == before
    assert [m.new_trials for m in merge(str(old), Store(here))] == [0, 0]


def test_merging_an_old_database_of_a_server_leaves_it_as_it_is(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("server").url("oldmerge")
    make_version_1(url)
    here = Store(f"sqlite:///{tmp_path / 'here.db'}")
    assert [m.name for m in merge(url, here)] == ["a"]
    assert here.sweep_names() == ["a"]
    assert revision_of(url) == "0001"
