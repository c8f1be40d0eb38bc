"""Parses database URLs, and removes passwords from database names and errors before they are shown.

This module opens no connection. Programs that write the database and programs that read it both use this module.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from searchspace.errors import UserError, shown
from sweeps.messages import redacted, redacted_url
from sweeps.paths import expanded

MUST = "must be a database URL such as sqlite:///results.db"
_KINDS = ((list, "a list"), (Mapping, "a mapping"), (bool, "true or false"), (type(None), "null"))


SUPPORTED = ("sqlite", "postgresql")
"""The kinds of databases that srsweep supports. ARCHITECTURE.md lists the changes that another kind would need."""
ASYNCHRONOUS = ("aiosqlite", "asyncpg", "psycopg_async")
"""Python drivers that only asynchronous programs can use."""

SQLITE_OPTIONS = {
    "cached_statements",
    "check_same_thread",
    "isolation_level",
    "password",
    "timeout",
}
"""Options that the URL of an SQLite file may have. Some other options of SQLite turn the file into a memory database."""


def check_url(url: object) -> str:
    """Returns `url`. If it names an SQLite file, ~ and $VAR are expanded.

    Raises UserError if `url` is not the text of a database URL, if it names an asynchronous driver or a database that
    is not SUPPORTED, or if it names an SQLite database that would not be one file. Checks only the text, without
    loading a driver or contacting a server. Messages never show a password.
    """
    parsed = parse_url(url, "")
    assert isinstance(url, str)  # parse_url refuses everything else
    backend, _, driver = parsed.drivername.partition("+")
    if backend.lower() not in SUPPORTED:
        instead = "; write postgresql://" if backend == "postgres" else ""
        raise UserError(
            f"must be the URL of an SQLite file or a PostgreSQL server, sqlite:///... or postgresql://..., got "
            f"{shown(redacted_url(url))}{instead}"
        )
    if driver in ASYNCHRONOUS:
        raise UserError(
            f"must name no asynchronous driver, got {shown(redacted_url(url))}; leave out +{driver}"
        )
    return _check_sqlite(url, parsed) if backend.lower() == "sqlite" else url


def _check_sqlite(url: str, parsed: URL) -> str:
    got = shown(redacted_url(url))
    scheme, _, rest = url.partition("://")
    file, mark, query = rest.removeprefix("/").partition("?")
    if file in ("", ":memory:") or file.startswith("file:"):
        raise UserError(
            f"must name a file, because a database in memory is gone when the sweep ends, got {got}; "
            "write sqlite:///results.db"
        )
    if not rest.startswith("/"):
        raise UserError(f"must have three slashes, as in {scheme}:///{file}, got {got}")
    if file.endswith("/") or Path(expanded(file)).is_dir():
        raise UserError(f"must name a file, not a folder, got {got}")
    if not {key for key, _ in parse_qsl(query or mark, keep_blank_values=True)} <= SQLITE_OPTIONS:
        raise UserError(
            f"must name a file without ? in its name, got {got}; in a URL, ? begins an option, one of "
            f"{', '.join(sorted(SQLITE_OPTIONS))}"
        )
    try:
        pysqlite.dialect().create_connect_args(parsed)
    except ValueError:
        raise UserError(f"must have options with values that fit them, got {got}") from None
    return f"{scheme}:///{expanded(file)}{mark}{query}"


def parse_url(url: object, where: str = "storage: ") -> URL:
    """Returns the parts of a database URL.

    Raises UserError if `url` is not a database URL. The message begins with `where` and shows no password.
    """
    if not isinstance(url, str):
        # The value is not shown, because a list or a mapping may hold the password as a separate word.
        kind = next((name for type_, name in _KINDS if isinstance(url, type_)), "a number")
        raise UserError(
            f"{where}must be text, a database URL such as sqlite:///results.db, got {kind}"
        )
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise UserError(f"{where}{MUST}, got {shown(redacted_url(url))}") from None
    address = re.split(r"\?[\w.-]+=", url)[0]
    if parsed.get_backend_name() != "sqlite" and address.count("@") > 1:
        # SQLAlchemy would take the rest of the password for the name of the host, and messages would show it.
        raise UserError(
            f"{where}{MUST}, with each '@' of the password written as %40, got {shown(redacted_url(url))}"
        )
    return parsed


def unusable(url: str, error: Exception) -> str:
    """Returns a message, without passwords, about a URL whose dialect or driver SQLAlchemy cannot load."""
    return f"storage: {MUST}, got {shown(redacted_url(url))} ({redacted(str(error))})"


def name_of(engine: Engine) -> str:
    """Returns the URL of a database without its password, for messages."""
    return redacted_url(engine.url.render_as_string(hide_password=True))


def first_line(error: BaseException) -> str:
    """Returns the first line of an error message of the database's Python driver, without passwords."""
    cause = getattr(error, "orig", None) or error
    lines = redacted(str(cause)).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
