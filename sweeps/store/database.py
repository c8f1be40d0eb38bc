"""Engines and transactions that survive what databases do: dropped connections, restarts, other writers."""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from sweeps.messages import without_password
from sweeps.store import schema
from sweeps.store.schema import SCHEMA_VERSION

RACES = 5
"""Times that a transaction is repeated because another writer inserted the same row first."""

PASSING = (
    "locked",
    "closed the connection",
    "connection is closed",
    "connection is lost",
    "connection timeout",
    "terminating connection",
    "starting up",
    "recovery mode",
    "too many clients",
    "timed out",
    "no route to host",
    "could not translate host name",
    "name resolution",
    "shutting down",
    "not yet accepting connections",
    "refused",
    "deadlock",
    "could not serialize",
)
"""In messages of databases that may accept the same statement a little later."""

PASSING_CODES = ("08", "53300", "57P0")
"""SQLSTATE of PostgreSQL: a broken connection, too many of them, a server that stops or recovers."""

T = TypeVar("T")


class StoreError(Exception):
    """The database cannot be used; the message says which, why and what to do."""


class Database:
    """One connection pool, its name for people, and transactions that are repeated where that helps."""

    def __init__(self, url: str, *, retry_seconds: float) -> None:
        self.retry_seconds = retry_seconds
        self.engine = connect(url)
        self.name = without_password(self.engine.url.render_as_string(hide_password=True))

    def transaction(self, work: Callable[[Session], T]) -> T:
        """`work` in one transaction, repeated after a dropped connection until `retry_seconds` are over.

        `work` must be safe to repeat even where it was committed: the connection may be lost between the
        commit and its acknowledgement. Raises StoreError with one line where the database refuses.
        """
        give_up = time.monotonic() + self.retry_seconds
        pause, races = 0.1, 0
        while True:
            try:
                with Session(self.engine, expire_on_commit=False) as session, session.begin():
                    return work(session)
            except DBAPIError as error:
                races += isinstance(error, IntegrityError)
                again = races <= RACES if isinstance(error, IntegrityError) else is_passing(error)
                if not again or time.monotonic() > give_up:
                    raise StoreError(f"storage: {self.name}: {first_line(error)}") from error
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, 2.0)

    def prepare(self) -> None:
        """Make the tables where there are none; StoreError for those of others or of another version."""
        try:
            self._refuse_others()
            with self.engine.connect() as connection:
                tables = inspect(connection).get_table_names()
            if set(schema.Base.metadata.tables) - set(tables):
                self._make_tables()
            version = self.transaction(_version)
        except SQLAlchemyError as error:
            raise StoreError(f"storage: cannot open {self.name}: {first_line(error)}") from None
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"storage: {self.name} has schema {version}, this srsweep writes schema "
                f"{SCHEMA_VERSION}; use the srsweep that made it, or name a new database"
            )

    def _refuse_others(self) -> None:
        with self.engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
        others = tables - set(schema.Base.metadata.tables)
        if others and "schema_version" not in tables:
            raise StoreError(
                f"storage: {self.name} holds other tables ({', '.join(sorted(others)[:3])}); "
                "give srsweep a database of its own"
            )

    def _make_tables(self) -> None:
        """All tables that are missing; another driver may be at it, or may have died half way."""
        for chance in range(RACES):
            try:
                with self.engine.begin() as connection:
                    schema.Base.metadata.create_all(connection)
                break
            except DBAPIError:
                if chance == RACES - 1:
                    raise
                time.sleep(0.2)


def _version(session: Session) -> int:
    """The version of the tables; they are new where they have none, or their maker died."""
    version = session.scalar(select(schema.SchemaVersion.version))
    if version is None:
        session.add(schema.SchemaVersion(version=SCHEMA_VERSION))
    return SCHEMA_VERSION if version is None else version


def check_url(url: str) -> str:
    """`url` itself; ValueError where it cannot be a database's. Drivers and servers are not looked for."""
    try:
        make_url(url)
    except ArgumentError:
        raise ValueError(
            f"must be a database URL such as sqlite:///results.db, got {without_password(url)!r}"
        ) from None
    return url


def connect(url: str) -> Engine:
    """An engine for `url`: SQLite with write-ahead log, others with a checked connection pool.

    Raises StoreError for an URL that is none or names a driver that is not installed.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"storage: must be a database URL such as sqlite:///results.db, got {without_password(url)!r} "
            f"({without_password(str(error))})"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Readers do not block the writer (WAL), and a writer waits for another instead of failing."""
    cursor = connection.cursor()
    # The patience first: switching to WAL needs the file for itself.
    for pragma in (
        "busy_timeout=30000",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later: a lost connection, a restart, a locked file."""
    text = str(error.orig).lower()
    code = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        error.connection_invalidated
        or code.startswith(PASSING_CODES)
        or any(words in text for words in PASSING)
    )


def first_line(error: BaseException) -> str:
    """What the database's driver said, in one line."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
