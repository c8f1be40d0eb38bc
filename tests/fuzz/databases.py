"""Databases to be merged: recorded ones and an older one, with damaged bytes, odd rows and other tables."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.damage import damaged

ROOT = Path(__file__).parents[2]
TABLES = (
    "sweeps",
    "sweep_facts",
    "lives",
    "trials",
    "trial_knobs",
    "attempts",
    "measurements",
    "leases",
    "alembic_version",
)
SWEEPS = 15
"""Number of sweeps of the recorded database. Each takes time to merge, and the recorded database grows."""
JSONS = (
    "[1,2]",
    "[1]",
    "{}",
    "null",
    "1",
    '"x"',
    "{",
    "",
    '{"objectives": 1}',
    '{"seed": "x"}',
    "[" * 3_000,
)
ODD: list[Any] = [
    *(
        None,
        0,
        -1,
        1,
        2**62,
        -(2**63),
        1.5,
        float("inf"),
        -float("inf"),
        1e308,
        1e-320,
        "",
        "x",
        "weird",
    ),
    *(
        "../../x",
        "a/b",
        "/etc/passwd",
        "\x1b[31mred\x1b[0m",
        "a\0b",
        "\x07",
        "é" * 300,
        "x" * 100_000,
        "\ud800",
    ),
    *(
        "complete",
        "running",
        "paused",
        "stopped",
        "failed",
        "nan",
        "inf",
        "2026-11-26",
        "2026-13-45 00:00:00",
    ),
    *(
        "2026-11-26 10:00:00.000000",
        "0000-00-00",
        "1e400",
        "[bold]x[/]",
        "[/data/DIV2K]",
        "=1+1",
        "0001",
        "9999",
    ),
    *(
        b"\xff\xfe",
        b"",
        b"x",
        "0002",
        "checkpoints: file:///x",
        "name: [",
        "psnr_y",
        "minimize",
        "9" * 400,
    ),
    *JSONS,
]

LONGEST = 5.0
"""Seconds that the changes to one database may take."""


def bases(folder: Path) -> list[Path]:
    """A recorded database, a small one, and one of the first schema."""
    from tests.stored import Database

    made = folder / "databases"
    if not made.is_dir():
        made.mkdir(parents=True)
        shutil.copy(ROOT / "configs/claims/recorded.db", made / "recorded.db")
        _keep_sweeps(made / "recorded.db", SWEEPS)
        with closing(sqlite3.connect(made / "first.db")) as first:
            first.executescript((ROOT / "tests/sweeps/store/version_1.sql").read_text())
        small = Database(made / "small.db")
        sweep_id = small.sweep("small")
        for number, psnr in enumerate((26.0, 27.0, 27.5)):
            small.trial(
                sweep_id, number, psnr, 10.0 ** (number + 4), 1e9, test_sets={"Set5": 30 + psnr}
            )
        small.trial(sweep_id, 3, 29.0, 50_000, 2e9, state="stopped")
        small.trial(sweep_id, 4, None, 60_000, 3e9, state="failed", error="ValueError: [x]")
        small.store.close()
        with closing(sqlite3.connect(made / "small.db")) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    return sorted(path for path in made.iterdir() if path.suffix == ".db")


def _keep_sweeps(path: Path, count: int) -> None:
    """Deletes all but the first `count` sweeps of a database."""
    of_trials = "trial_id not in (select id from trials)"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "delete from sweeps where id not in (select id from sweeps order by id limit ?)",
            (count,),
        )
        for table in ("sweep_facts", "lives", "trials"):
            connection.execute(f"delete from {table} where sweep_id not in (select id from sweeps)")
        for table in ("trial_knobs", "attempts", "measurements", "trial_notes"):
            connection.execute(f"delete from {table} where {of_trials}")
        connection.commit()
        connection.execute("vacuum")


def reader(folder: Path) -> Callable[[Path], None]:
    """Merges a database into an empty one. What has been merged must be readable by the report's queries."""
    from analysis.read.frames import (
        load_curves,
        load_images,
        load_knobs,
        load_lives,
        load_sweeps,
        load_trials,
    )
    from sweeps.store.merge import merge
    from sweeps.store.store import Store

    empty, target = folder / "empty.db", folder / "target.db"
    if not empty.exists():
        Store(f"sqlite:///{empty}").close()
        with closing(sqlite3.connect(empty)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")

    def read(path: Path) -> None:
        for old in folder.glob("target.db*"):
            old.unlink()
        shutil.copy(empty, target)
        url = f"sqlite:///{target}"
        store = Store(url)
        try:
            before = path.read_bytes()
            merge(str(path), store)
            assert path.read_bytes() == before, "merge changed the other database"
            merge(str(path), store)
        finally:
            store.close()
        for load in (load_sweeps, load_lives, load_trials, load_curves, load_images, load_knobs):
            load(url)

    return read


def mutate(random: Random, base: Path, folder: Path) -> Path:
    path = folder / base.name
    data = base.read_bytes()
    if random.random() < 0.4:
        path.write_bytes(damaged(random, data))
        return path
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        # A change may read a view that never ends. Such a statement is broken off.
        give_up = time.monotonic() + LONGEST
        connection.set_progress_handler(lambda: time.monotonic() > give_up, 100_000)
        for _ in range(random.choice([1, 1, 2, 3])):
            with suppress(sqlite3.Error, UnicodeEncodeError, OverflowError, IndexError):
                random.choice(CHANGES)(random, connection)
        connection.commit()
    return path


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def odd_value(random: Random, connection: sqlite3.Connection) -> None:
    """Puts an odd value into one row, or into all rows of a table."""
    table = random.choice(TABLES[:-2] if random.random() < 0.9 else TABLES)
    column = random.choice(_columns(connection, table))
    rows = [row[0] for row in connection.execute(f"SELECT rowid FROM {table}")]
    value = random.choice(ODD)
    if random.random() < 0.2:
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
    elif rows:
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, random.choice(rows))
        )


def odd_settings(random: Random, connection: sqlite3.Connection) -> None:
    table, column = random.choice(
        [("sweeps", "settings"), ("lives", "versions"), ("trial_knobs", "value")]
    )
    connection.execute(f"UPDATE {table} SET {column} = ?", (random.choice(JSONS),))


def missing_rows(random: Random, connection: sqlite3.Connection) -> None:
    table = random.choice(TABLES)
    some = "" if random.random() < 0.5 else " WHERE rowid % 2 = 0"
    connection.execute(f"DELETE FROM {table}{some}")


def missing_table(random: Random, connection: sqlite3.Connection) -> None:
    connection.execute(f"DROP TABLE {random.choice(TABLES)}")


def missing_column(random: Random, connection: sqlite3.Connection) -> None:
    table = random.choice(TABLES)
    connection.execute(
        f"ALTER TABLE {table} DROP COLUMN {random.choice(_columns(connection, table))}"
    )


def other_name(random: Random, connection: sqlite3.Connection) -> None:
    table = random.choice(TABLES)
    column = random.choice(_columns(connection, table))
    if random.random() < 0.5:
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
    else:
        connection.execute(f"ALTER TABLE {table} RENAME TO other")


def untyped(random: Random, connection: sqlite3.Connection) -> None:
    """Makes a table anew without types, keys and limits, so that any value fits, and doubles its rows."""
    table = random.choice(TABLES)
    columns = _columns(connection, table)
    connection.execute(f"CREATE TABLE copied AS SELECT * FROM {table}")
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
    for _ in range(random.choice([1, 2])):
        connection.execute(f"INSERT INTO {table} SELECT * FROM copied")
    connection.execute(
        f"UPDATE {table} SET {random.choice(columns)} = ? WHERE rowid = 1", (random.choice(ODD),)
    )
    connection.execute("DROP TABLE copied")


def other_version(random: Random, connection: sqlite3.Connection) -> None:
    versions = [
        "0001",
        "0003",
        "9999",
        "0000",
        "",
        "x",
        "-001",
        "00000000000000000000000000000002",
        None,
        "²",
    ]
    connection.execute("UPDATE alembic_version SET version_num = ?", (random.choice(versions),))


def old_mark(random: Random, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version)")
    connection.execute(
        "INSERT INTO schema_version VALUES (?)", (random.choice([0, 1, 2, 99, "x", None, 1.5]),)
    )


def as_view(random: Random, connection: sqlite3.Connection) -> None:
    """Replaces a table by a view, which may never end."""
    table = random.choice(TABLES)
    columns = ", ".join(_columns(connection, table))
    connection.execute(f"ALTER TABLE {table} RENAME TO hidden")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    body = random.choice(["", endless])
    source = "hidden, n" if body else "hidden"
    connection.execute(f"CREATE VIEW {table} AS {body}SELECT {columns} FROM {source}")


def program(random: Random, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END")


def other_program(random: Random, connection: sqlite3.Connection) -> None:
    for table in TABLES:
        with suppress(sqlite3.Error):
            connection.execute(f"DROP TABLE {table}")
    connection.execute("CREATE TABLE moz_places (id INTEGER, url TEXT)")


CHANGES: tuple[Callable[[Random, sqlite3.Connection], None], ...] = (
    *(odd_value, odd_value, odd_value, odd_value, odd_value, odd_value, odd_settings, odd_settings),
    *(untyped, untyped, missing_rows, missing_table, missing_column, other_name, other_version),
    *(old_mark, as_view, program, other_program),
)
