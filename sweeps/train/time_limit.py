"""A time limit that ends a process even if it hangs.

A timer outside Python code writes the stack of every thread to a file, the note, and kills the process.
"""

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

GRACE = 10.0
"""Seconds that writing the note may take. After that, the process is killed even if the note is not written."""


@contextmanager
def time_limit(seconds: float | None, note: Path) -> Iterator[None]:
    """Kills this process if the block of the `with` statement takes longer than `seconds`. None: no limit.

    The file `note` then holds the stack of every thread. Only a worker may use this function, never the driver.
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
    # If the disk of the note hangs too, this alarm kills the process.
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
    """Opens the note, or returns None if it cannot be written. If the disk is at fault, training will report that."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        return note.open("w", encoding="utf-8")
    except OSError:
        return None


def read_note(note: Path) -> str:
    """Returns the stack of a process that its time limit killed. Empty if something else ended the process."""
    try:
        return note.read_text(encoding="utf-8")
    except OSError:
        return ""
