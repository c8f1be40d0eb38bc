"""A time limit that also ends what hangs: a timer in C kills the process and writes where it stood."""

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

GRACE = 10.0
"""Seconds that the note may take to be written before the process is killed without it."""


@contextmanager
def time_limit(seconds: float | None, note: Path) -> Iterator[None]:
    """Kill this process after `seconds` unless left before; `note` then holds the stack of every thread.

    The process must be one that may die: a worker, never the driver.
    """
    if seconds is None:
        yield
        return
    # Armed before the note is opened: the folder may be on a disk that hangs.
    faulthandler.dump_traceback_later(seconds, exit=True)
    file = _open(note)
    if file is not None:
        # From here on it stands in the note; armed again, it counts from now.
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
    # Should the disk of the note hang as well: the alarm's default is death.
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        if file is not None:
            file.close()
            note.unlink(missing_ok=True)


def _open(note: Path) -> TextIO | None:
    """None where it cannot be written, which training will meet and tell in its turn."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        return note.open("w", encoding="utf-8")
    except OSError:
        return None


def read_note(note: Path) -> str:
    """Where a process stood when its time was over; empty where it was not the time that ended it."""
    try:
        return note.read_text(encoding="utf-8")
    except OSError:
        return ""
