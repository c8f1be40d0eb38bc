"""Reads database URLs, and names databases and their errors in messages without passwords.

This module opens no connection. The programs that write the database and those that read it share it.
"""

import re

from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from searchspace.errors import UserError
from sweeps.messages import redacted, redacted_url

MUST = "must be a database URL such as sqlite:///results.db"


def check_url(url: object) -> object:
    """Returns `url`. Raises UserError if it is not the text of a database URL.

    Only the text is checked: no driver is loaded, and no server is contacted. No message shows a password.
    """
    parse_url(url, "")
    return url


def parse_url(url: object, where: str = "storage: ") -> URL:
    """Returns the parts of a database URL.

    Raises UserError if `url` is not a database URL. The message begins with `where` and shows no password.
    """
    if not isinstance(url, str):
        # The value is not shown, because a list or a mapping may hold the password as a word of its own.
        raise UserError(f"{where}{MUST}, got a value of type {type(url).__name__}")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise UserError(f"{where}{MUST}, got {redacted_url(url)!r}") from None
    address = re.split(r"\?[\w.-]+=", url)[0]
    if parsed.get_backend_name() != "sqlite" and address.count("@") > 1:
        # SQLAlchemy would take the rest of the password for the name of the host, and messages would show it.
        raise UserError(
            f"{where}{MUST}, with each '@' of the password written as %40, got {redacted_url(url)!r}"
        )
    return parsed


def unusable(url: str, error: Exception) -> str:
    """Returns the message about a URL whose dialect or driver SQLAlchemy cannot load, without passwords."""
    return f"storage: {MUST}, got {redacted_url(url)!r} ({redacted(str(error))})"


def name_of(engine: Engine) -> str:
    """Returns the URL of a database without its password, for messages."""
    return redacted_url(engine.url.render_as_string(hide_password=True))


def first_line(error: BaseException) -> str:
    """Returns the first line of the error message from the Python driver of the database, without passwords."""
    cause = getattr(error, "orig", None) or error
    lines = redacted(str(cause)).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
