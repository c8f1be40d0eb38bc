"""The log file that keeps the tracebacks of a sweep's failures, beside the sweep's database.

The terminal shows one line for each failure; the log has the rest. An entry says when and in which process the
failure happened, which command was running, and the traceback. Passwords of URLs are replaced by ***.
"""

import os
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path

from sweeps.messages import without_password

DEFAULT_LOG = Path("srsweep.log")
"""The log in the current folder, for commands that use no database or one on a server."""
MAX_BYTES = 1_000_000
"""Size at which a log is renamed, so that the log and its predecessor take at most about 2 MB."""
MAX_CHARACTERS = 100_000
"""Longest entry. The end of a traceback names the error, so the beginning is what is cut."""

_SQLITE_FILE = re.compile(r"sqlite(?:\+\w+)?:///(?!:memory:|file:)(?P<path>[^?]+)")


def log_of(storage: str) -> Path:
    """Returns the path of the log that belongs to a database URL: results.log for sqlite:///results.db.

    A database in memory or on a server has no folder of its own. Its log is `srsweep.log` in the current folder.
    """
    found = _SQLITE_FILE.match(storage)
    if found is None:
        return DEFAULT_LOG
    database = Path(found["path"])
    log = database.with_suffix(".log")
    return log if log != database else database.with_name(f"{database.name}.log")


def log_failure(log: Path, text: str) -> bool:
    """Appends `text`, usually a traceback, to the file `log`. Returns whether the file could be written.

    It raises nothing: a full disk must not hide the failure that the entry is about.
    """
    try:
        _start_anew_if_large(log)
        # One write in append mode keeps the entries of several processes apart.
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_entry(text))
    except OSError:
        return False
    return True


def _entry(text: str) -> str:
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    # Before they are joined: a quoted word could hide where a password ends.
    command = shlex.join(map(without_password, words))
    body = without_password(text).strip()
    if len(body) > MAX_CHARACTERS:
        body = f"[...]{body[-MAX_CHARACTERS:]}"
    return f"{now} process {os.getpid()}: {command}\n{body}\n\n"


def _start_anew_if_large(log: Path) -> None:
    if log.is_file() and log.stat().st_size > MAX_BYTES:
        log.replace(log.with_name(f"{log.stem}.1{log.suffix}"))
