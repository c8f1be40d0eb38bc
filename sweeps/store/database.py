"""Connections to the database, and transactions that survive lost connections, server restarts and other writers."""

import logging
import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from searchspace.errors import UserError
from sweeps.store import migrations, schema
from sweeps.store.urls import first_line, name_of, parse_url, unusable

RACES = 5
"""Maximum number of repetitions of a transaction because another writer has inserted the same row."""

SQLITE_SECONDS = 30
"""Maximum wait, in seconds, for another process that writes the same SQLite file."""

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
"""Parts of the messages of temporary errors, after which the database may soon accept the same statement."""

PASSING_CODES = ("08", "53300", "57P0")
"""First characters of PostgreSQL's SQLSTATE codes for a lost connection, too many connections, and a server that stops
or recovers."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


class StoreError(Exception):
    """The error of a database that fails or refuses a request. The message is one line with the database and the cause."""


class StoreMistake(StoreError, UserError):  # noqa: N818 - a StoreError that is a UserError
    """A StoreError that the user can correct, such as a wrong URL, changed settings or a schema that is too new."""


class Database:
    """A connection pool. A failed transaction is repeated if the repetition may succeed.

    `retry_seconds` is the maximum time for which a transaction is repeated.
    """

    def __init__(self, url: str, *, retry_seconds: float) -> None:
        self.retry_seconds = retry_seconds
        self.engine = connect(url)
        self.name = name_of(self.engine)
        """The URL without its password, for messages."""

    def transaction(self, work: Callable[[Session], T]) -> T:
        """Runs `work` in one transaction and returns its result.

        If a failure may be temporary, such as a lost connection or a lock, the transaction is repeated for up to
        `retry_seconds`. A connection may be lost between a commit and its acknowledgement, so `work` may run again
        after it was committed. It must do no harm then. Raises StoreError if repetitions cannot or do not help.
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
        """Creates the tables of an empty database, or migrates the tables of an older database.

        Several processes may call this method at the same time. One does the work, and the others wait. Raises
        StoreMistake if the database cannot be opened, belongs to another program, or has a schema newer than this
        srsweep's. Raises StoreError if the migration fails, or if the disk is full or cannot be written.
        """

        def work(session: Session) -> str | None:
            connection = session.connection()
            migrations.lock(connection)
            before = schema.revision_of(connection)
            # Another process may have migrated the database while this one waited for the lock.
            if self._is_newest(connection):
                return None
            migrations.move_on(connection)
            return before

        try:
            migrated_from = None if self._looks_newest() else self.transaction(work)
        except SQLAlchemyError as error:
            kind = StoreError if is_of_disk(error, self.engine) else StoreMistake
            raise kind(f"storage: cannot open {self.name}: {first_line(error)}") from None
        if migrated_from is not None:
            logger.warning(
                "storage: %s was migrated from schema %s to %s; older versions of srsweep cannot open it any more",
                self.name,
                migrated_from,
                schema.REVISION,
            )

    def _looks_newest(self) -> bool:
        """Returns the result of `_is_newest`, without the lock.

        Another process that migrates at the same time may drop a table after this process has listed it and before it
        is read. A second attempt then finds the newest tables.
        """
        try:
            with self.engine.connect() as connection:
                return self._is_newest(connection)
        except DBAPIError as error:
            if schema.OLD_MARK not in str(error.orig):
                raise
            with self.engine.connect() as connection:
                return self._is_newest(connection)

    def _is_newest(self, connection: Connection) -> bool:
        """Returns whether the database has the newest tables.

        Raises StoreMistake if the database belongs to another program or its schema is newer than this srsweep's.
        """
        revision = schema.revision_of(connection)
        if revision is not None:
            if not schema.is_known(revision):
                raise StoreMistake(schema.too_new(self.name, revision))
            return revision == schema.REVISION
        tables = set(inspect(connection).get_table_names())
        others = tables - set(schema.Base.metadata.tables) - {schema.OLD_MARK}
        if others:
            raise StoreMistake(
                f"storage: {self.name} holds other tables ({', '.join(sorted(others)[:3])}); "
                "give srsweep a database of its own"
            )
        return False


def check_place(url: str) -> None:
    """Raises StoreMistake if `url` names an SQLite file that cannot exist, or a database whose driver is not installed.

    SQLite creates a missing file, but not a missing folder. No server is contacted.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        connect(url).dispose()
        return
    file = Path(parsed.database or "")
    if file.is_dir():
        raise StoreMistake(f"storage: cannot open {file}: it is a folder; name a file")
    if not file.parent.is_dir():
        raise StoreMistake(
            f"storage: cannot open {file}: folder {file.parent} does not exist; create it or name another"
        )


def connect(url: str) -> Engine:
    """Returns an SQLAlchemy engine for `url`. An SQLite file gets a write-ahead log.

    The engine tests each pooled connection before it is used. Raises StoreMistake if `url` is not a database URL or
    names a driver that is not installed.
    """
    try:
        engine = create_engine(parse_url(url), pool_pre_ping=True)
    except UserError as mistake:
        raise StoreMistake(str(mistake)) from None
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreMistake(unusable(url, error)) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Sets up an SQLite connection so that readers do not wait for a writer, and a second writer waits for the first."""
    cursor = connection.cursor()
    # busy_timeout comes first, because the switch to WAL needs exclusive access to the file.
    cursor.execute(f"PRAGMA busy_timeout={1000 * SQLITE_SECONDS}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Gives the SQLite file a write-ahead log.

    Two processes that did this at the same time would block each other forever. SQLite therefore refuses one of them
    immediately, regardless of busy_timeout. This function then tries again.
    """
    give_up = time.monotonic() + SQLITE_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
        time.sleep(random.uniform(0.01, 0.05))


def is_passing(error: DBAPIError) -> bool:
    """Returns whether the failed statement may succeed later, for example after a lost connection, a restart or a lock."""
    text = str(error.orig).lower()
    code = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        error.connection_invalidated
        or code.startswith(PASSING_CODES)
        or any(words in text for words in PASSING)
    )


def is_of_disk(error: SQLAlchemyError, engine: Engine) -> bool:
    """Returns whether a database error is caused by the disk of an SQLite file: it is full, faulty or not writable."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CANTOPEN:
        folder = Path(engine.url.database or "").absolute().parent
        return folder.is_dir() and not os.access(folder, os.W_OK)
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
