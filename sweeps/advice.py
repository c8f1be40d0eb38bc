"""Builds the commands that srsweep suggests. Each command is quoted so that it works when pasted into a shell."""

import os
import re
import shlex
from pathlib import PurePath

from sweeps.messages import redacted_url

STORAGE_VARIABLE = "SRSWEEP_DB"
"""Environment variable that holds the database URL. It overrides `storage` in the sweep file. A URL with a password
belongs in this variable, not in the file."""
DEFAULT_STORAGE = "sqlite:///results.db"
"""URL of the database if neither the command line nor the environment nor the sweep file names one."""


def command(*words: object, storage: str | None = None, program: str = "srsweep") -> str:
    """Returns the command line `program words...`, quoted for the shell.

    `storage` is the URL of the database that the command must use, or None if the command uses no database. The option
    --db is added unless this database is the default. A URL with a password is never printed. Instead, the command
    begins with an assignment of STORAGE_VARIABLE that the user must complete, unless the environment already holds this
    URL.

    A path that begins with "-" gets the prefix "./", so that the program does not mistake it for an option.
    """
    parts = [_word(word) for word in words]
    given, before = os.environ.get(STORAGE_VARIABLE), ""
    if storage is None or (storage == DEFAULT_STORAGE and not given):
        pass
    elif not has_secret(storage):
        # Added even if the environment holds it, because the user may have set the variable for one command only.
        parts += ["--db", storage]
    elif storage != given:
        before = f"{STORAGE_VARIABLE}=... "
    return f"{before}{program} {shlex.join(parts)}"


def has_secret(url: str) -> bool:
    """Returns whether a database URL holds a password or another secret."""
    return redacted_url(url) != url


def folder_for(name: str) -> str:
    """Returns a folder name derived from `name`, such as 'first-12' for the trial 'first#12'."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "network"


def _word(word: object) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, PurePath) and text.startswith("-") else text
