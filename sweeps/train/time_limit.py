"""A time limit that ends a process even if it hangs.

A timer that does not depend on the Python interpreter writes the stack of every thread to a file, the note. Then the
timer kills the process.
"""

import faulthandler
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

GRACE = 10.0
"""Seconds allowed for writing the note. After that, the process is killed even if the note is incomplete."""


LONGEST_WAIT = 3600.0
"""Maximum seconds that a process may wait for other processes, in addition to the time limit. A process that waits
longer counts as hanging and is killed."""


@contextmanager
def time_limit(
    seconds: float | None, note: Path
) -> Iterator[Callable[[], AbstractContextManager[object]]]:
    """Kills this process if the `with` block takes longer than `seconds`. None: no limit.

    The file `note` then holds the stack of every thread. Yields a function that returns a context manager, and time
    spent in this context does not count. Only a worker may use this function, never the driver.
    """
    if seconds is None:
        yield nullcontext
        return
    # Start the timer before opening the note: its folder may be on a disk that hangs.
    faulthandler.dump_traceback_later(seconds, exit=True)
    file = _open(note)
    end = time.monotonic() + seconds

    def start(left: float) -> None:
        left = max(left, 0.001)
        if file is not None:
            # A further call writes the stack to the note, and restarts the timer.
            faulthandler.dump_traceback_later(left, exit=True, file=file)
        else:
            faulthandler.dump_traceback_later(left, exit=True)
        # If the disk of the note hangs too, this alarm kills the process.
        signal.setitimer(signal.ITIMER_REAL, left + GRACE)

    @contextmanager
    def waiting() -> Iterator[None]:
        nonlocal end
        began = time.monotonic()
        start(end - began + LONGEST_WAIT)
        try:
            yield
        finally:
            now = time.monotonic()
            end += now - began
            start(end - now)

    start(seconds)
    try:
        yield waiting
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        if file is not None:
            file.close()
            note.unlink(missing_ok=True)


def _open(note: Path) -> TextIO | None:
    """Opens the note for writing.

    Returns None if that fails. If the disk is at fault, training will report this later.
    """
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        return note.open("w", encoding="utf-8")
    except OSError:
        return None


def read_note(note: Path) -> str:
    """Returns the stack of a process that its time limit killed, or '' if something else ended the process."""
    try:
        return note.read_text(encoding="utf-8")
    except OSError:
        return ""
