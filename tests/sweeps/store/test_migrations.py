"""Older databases are migrated without loss, by one process at a time, and never by a command that only reads."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from sweeps.store import migrations, schema
from sweeps.store.store import Store
from tests.sweeps.store.older import make_version_1, opened, revision_of

ROOT = Path(__file__).parents[3]
OPEN = "import sys; from sweeps.store.database import Database; Database(sys.argv[1], retry_seconds=60).prepare()"
MARKS = {"schema_version", "alembic_version"}
"""The tables that hold the version itself."""


@pytest.fixture(params=["file", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    name = "".join(c for c in request.node.name if c.isalnum())[-50:].lower()
    url: str = request.getfixturevalue("server").url(name)
    return url


Columns = dict[str, list[str]]


def columns_of(connection: Connection) -> Columns:
    """The columns of each table, apart from the tables that hold the version itself."""
    look = inspect(connection)
    tables = sorted(set(look.get_table_names()) - MARKS)
    return {table: [column["name"] for column in look.get_columns(table)] for table in tables}


def contents(connection: Connection, columns: Columns) -> dict[str, list[str]]:
    """All rows of these columns. A later revision may add others."""
    return {
        table: sorted(
            repr(tuple(row))
            for row in connection.execute(text(f"select {', '.join(names)} from {table}"))
        )
        for table, names in columns.items()
    }


def described(connection: Connection) -> dict[str, Any]:
    """Tables with everything that a database tells about them."""
    look = inspect(connection)
    return {
        table: {
            "columns": [{**c, "type": repr(c["type"])} for c in look.get_columns(table)],
            "key": look.get_pk_constraint(table),
            "foreign": sorted(look.get_foreign_keys(table), key=repr),
            "unique": sorted(look.get_unique_constraints(table), key=repr),
            "indexes": sorted(look.get_indexes(table), key=repr),
        }
        for table in sorted(look.get_table_names())
    }


def test_the_stated_revision_is_the_newest_file() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    numbers = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert numbers[0] == schema.REVISION
    assert numbers[::-1] == [f"{number:04}" for number in range(1, len(numbers) + 1)]


@pytest.mark.slow
def test_migrating_from_the_first_revision_gives_the_tables_of_a_new_database(
    empty: str, tmp_path: Path
) -> None:
    with opened(empty) as connection:
        migrations.upgrade(connection)
        by_migrations = described(connection)
        different = compare_metadata(MigrationContext.configure(connection), schema.Base.metadata)
        for table in reversed(schema.Base.metadata.sorted_tables):
            table.drop(connection)
    assert different == []
    Store(empty).close()
    with opened(empty) as connection:
        assert described(connection) == by_migrations


def test_the_first_revision_is_what_version_1_wrote(old: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "first.db") as connection:
        migrations.upgrade(connection, "0001")
        made = described(connection)
    del made["alembic_version"]
    with opened(old) as connection:
        assert made == described(connection)


def test_an_old_database_keeps_every_row_when_a_driver_opens_it(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(old) as connection:
        columns = columns_of(connection)
        before = contents(connection, columns)
    assert sum(map(len, before.values())) > 100
    store = Store(f"sqlite:///{old}")
    assert store.sweep_names() == ["first", "second"]
    assert [trial.state for trial in store.trials(1)] == ["complete", "stopped", "running"]
    store.close()
    with opened(old) as connection:
        assert contents(connection, columns) == before
        assert schema.revision_of(connection) == schema.REVISION
        assert "schema_version" not in inspect(connection).get_table_names()
    (line,) = caplog.messages
    assert f"old.db was migrated from schema 0001 to {schema.REVISION}; older" in line
    migrated = old.read_bytes()
    Store(f"sqlite:///{old}").close()
    assert old.read_bytes() == migrated, "a second opening has nothing to do"
    assert len(caplog.messages) == 1


def test_an_old_database_on_a_server_keeps_its_rows(request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("server").url("oldrows")
    make_version_1(url)
    with opened(url) as connection:
        columns = columns_of(connection)
        before = contents(connection, columns)
    Store(url).close()
    with opened(url) as connection:
        assert contents(connection, columns) == before
    assert revision_of(url) == schema.REVISION


KILLED_AFTER = (
    "CREATE TABLE alembic_version",
    "INSERT INTO alembic_version",
    "DROP TABLE",
    "UPDATE",
)
KILL = """
import os, signal, sys
from sqlalchemy import Engine, event
from sweeps.store.database import Database

@event.listens_for(Engine, "after_cursor_execute")
def kill(connection, cursor, statement, *rest):
    if statement.strip().startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

Database(sys.argv[1], retry_seconds=60).prepare()
"""


@pytest.mark.slow
@pytest.mark.parametrize("statement", KILLED_AFTER)
def test_a_migration_that_is_killed_is_done_by_the_next_opening(old: Path, statement: str) -> None:
    with opened(old) as connection:
        columns, tables = columns_of(connection), described(connection)
        before = contents(connection, columns)
    command = [sys.executable, "-c", KILL, f"sqlite:///{old}", statement]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    with opened(old) as connection:
        assert described(connection) == tables, "nothing is half done"
    Store(f"sqlite:///{old}").close()
    with opened(old) as connection:
        assert contents(connection, columns) == before
        assert schema.revision_of(connection) == schema.REVISION


def test_the_creation_of_a_database_that_is_killed_is_done_by_the_next_opening(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    command = [sys.executable, "-c", KILL, url, "CREATE INDEX"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    with opened(url) as connection:
        assert inspect(connection).get_table_names() == []
    assert Store(url).sweep_names() == []


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [False, True])
def test_drivers_that_open_one_database_at_once_all_succeed(
    empty: str, old: Path, is_old: bool
) -> None:
    url = empty
    if is_old and url.startswith("sqlite"):
        url = f"sqlite:///{old}"
    elif is_old:
        make_version_1(url)
    drivers = [subprocess.Popen([sys.executable, "-c", OPEN, url], cwd=ROOT) for _ in range(3)]
    assert [driver.wait(timeout=120) for driver in drivers] == [0, 0, 0]
    assert revision_of(url) == schema.REVISION


def test_a_table_that_a_migration_drops_under_the_first_look_is_looked_for_once_more(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three drivers opened one old database at once, and the third found a table in the list that was gone."""
    Store(empty).close()
    looks = []

    def revision(connection: Connection) -> str | None:
        looks.append(connection)
        if len(looks) == 1:
            connection.execute(text("SELECT version FROM schema_version"))
        return schema.REVISION

    monkeypatch.setattr(schema, "revision_of", revision)
    Store(empty).close()
    assert len(looks) == 2


def test_tables_of_version_1_whose_maker_died_are_completed(old: Path) -> None:
    with sqlite3.connect(old) as connection:
        for table in ("leases", "measurements"):
            connection.execute(f"drop table {table}")
        connection.execute("drop index ix_lives_sweep_id")
        connection.execute("delete from schema_version")
    assert Store(f"sqlite:///{old}").sweep_names() == ["first", "second"]
    new = Store("sqlite:///:memory:")
    with opened(old) as completed, new.engine.connect() as made:
        assert described(completed) == described(made)


def test_alembic_is_imported_for_a_migration_alone(old: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    ask = f"{OPEN}; print('alembic' in sys.modules)"
    found = []
    for each in (url, url, f"sqlite:///{old}"):
        command = [sys.executable, "-c", ask, each]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found.append(done.stdout.strip())
    assert found == ["False", "False", "True"]


def test_the_recorded_database_keeps_every_row(tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "results.db", tmp_path))
    with opened(path) as connection:
        columns = columns_of(connection)
        before = contents(connection, columns)
    assert len(before["trials"]) >= 25
    Store(f"sqlite:///{path}").close()
    with opened(path) as connection:
        assert contents(connection, columns) == before
        assert schema.revision_of(connection) == schema.REVISION


@pytest.mark.parametrize("revision", ["", "0000", "x", "-001", "²²²²", "00000002", "0002 ", "9999"])
def test_a_revision_that_never_was_is_not_known(revision: str) -> None:
    """Found by `python -m tests.fuzz`: Alembic raised CommandError for a longer number."""
    assert not schema.is_known(revision)
    assert schema.is_known(schema.REVISION)
    assert schema.is_known(schema.OLDEST_READABLE)
