"""The log file beside a sweep's database, which keeps the tracebacks of failures.

The terminal shows one line for each failure, and the log keeps the traceback. A log entry gives the time, the process
number, the command that was running, and the traceback. Passwords in URLs are replaced by ***.
"""

import os
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path

from sweeps.messages import redacted, redacted_url, visible

DEFAULT_LOG = Path("srsweep.log")
"""The log file in the current folder, for commands that use no database or a database on a server."""
MAX_BYTES = 1_000_000
"""Size in bytes above which a log is renamed. A log and its predecessor together take at most about 2 MB."""
MAX_CHARACTERS = 100_000
"""Length of the longest entry. The beginning of a longer text is cut off, because the end of a traceback names the
error."""

_SQLITE_FILE = re.compile(r"sqlite(?:\+\w+)?:///(?!:memory:|file:)(?P<path>[^?]+)")


def log_of(storage: str) -> Path:
    """Returns the path of the log for the database URL `storage`: results.log for sqlite:///results.db.

    A database in memory or on a server has no folder. Its log is `srsweep.log` in the current folder.
    """
    found = _SQLITE_FILE.match(storage)
    if found is None:
        return DEFAULT_LOG
    database = Path(found["path"])
    log = database.with_suffix(".log")
    return log if log != database else database.with_name(f"{database.name}.log")


def log_failure(log: Path, text: str) -> bool:
    """Appends `text`, usually a traceback, to the file `log`. Returns whether the file could be written.

    Raises no OSError, because a full disk must not hide the failure that the entry describes.
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
    # Passwords are removed before the words are joined, because quotes could hide where a password ends.
    command = visible(shlex.join(redacted_url(w) if "://" in w else redacted(w) for w in words))
    body = visible(redacted(text)).strip()
    if len(body) > MAX_CHARACTERS:
        body = f"[...]{body[-MAX_CHARACTERS:]}"
    return f"{now} process {os.getpid()}: {command}\n{body}\n\n"


def _start_anew_if_large(log: Path) -> None:
    if log.is_file() and log.stat().st_size > MAX_BYTES:
        log.replace(log.with_name(f"{log.stem}.1{log.suffix}"))
