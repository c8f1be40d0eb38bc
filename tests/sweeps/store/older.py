"""Databases of earlier schemas, for tests."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from sweeps.store import migrations, schema

VERSION_1 = Path(__file__).with_name("version_1.sql")


def write_version_1(path: Path) -> None:
    """Make the database file that a driver of version 1 wrote."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.execute("pragma journal_mode=wal")
    connection.close()


@contextmanager
def opened(url: str | Path) -> Iterator[Connection]:
    """A connection whose transaction is committed at the end."""
    engine = create_engine(url if isinstance(url, str) else f"sqlite:///{url}")
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def make_version_1(url: str) -> None:
    """Version 1 on a server: its tables without Alembic's, and one sweep."""
    with opened(url) as connection:
        migrations.upgrade(connection, "0001")
        connection.execute(text("drop table alembic_version"))
        connection.execute(text("insert into schema_version values (1)"))
        connection.execute(
            text("insert into sweeps values (1, 'a', 2, '{\"scale\": 2}', '2026-11-21 02:34:31')")
        )


def revision_of(url: str | Path) -> str | None:
    with opened(url) as connection:
        return schema.revision_of(connection)
