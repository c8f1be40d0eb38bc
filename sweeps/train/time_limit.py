"""A time limit that also ends a process that hangs: a timer in C writes the stack and kills the process."""

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

GRACE = 10.0
"""Seconds that writing the note may take. After that the process is killed without it."""


@contextmanager
def time_limit(seconds: float | None, note: Path) -> Iterator[None]:
    """Kill this process unless the block ends within `seconds`. `note` then holds the stack of every thread.

    Only a worker may use this, never the driver.
    """
    if seconds is None:
        yield
        return
    # Start the timer before opening the note: its folder may be on a disk that hangs.
    faulthandler.dump_traceback_later(seconds, exit=True)
    file = _open(note)
    if file is not None:
        # The second call writes the stack to the note, and restarts the timer.
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
    # If the disk of the note hangs as well, this alarm kills the process.
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
    """Open the note, or return None if it cannot be written. Training reports that disk fault itself."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        return note.open("w", encoding="utf-8")
    except OSError:
        return None


def read_note(note: Path) -> str:
    """The stack of a process that its time limit ended. Empty if something else ended it."""
    try:
        return note.read_text(encoding="utf-8")
    except OSError:
        return ""
