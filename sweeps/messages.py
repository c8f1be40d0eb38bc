"""Prepares text for people: removes passwords from URLs and shortens errors to one line.

Passwords must not be printed, because many people can read the logs of a cluster.
"""

import re

TRACEBACK = "Traceback (most recent call last):"
"""First line of a traceback in Python."""

_IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
_IN_QUERY = re.compile(r"(password=)[^&\s'\"]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """Returns `text` with *** in place of the passwords in its URLs."""
    return _IN_QUERY.sub(r"\1***", _IN_ADDRESS.sub(r"\1:***@", text))


def reason_of(error: str) -> str:
    """Returns one line of an attempt's error: the last line of a traceback, otherwise the first line."""
    lines = error.strip().splitlines() or [""]
    # An error that does not count against its trial has a few words before the traceback begins.
    return lines[-1 if lines[0].endswith(TRACEBACK) else 0]
