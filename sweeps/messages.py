"""Prepares text for people: removes passwords from URLs and shortens errors to one line.

Passwords must not be printed, because many people can read the logs of a cluster.
"""

import re
import unicodedata

TRACEBACK = "Traceback (most recent call last):"
"""The first line of a Python traceback."""

_IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
_IN_QUERY = re.compile(r"(password=)[^&\s'\"]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """Returns `text` with every password in its URLs replaced by ***."""
    return _IN_QUERY.sub(r"\1***", _IN_ADDRESS.sub(r"\1:***@", text))


def reason_of(error: str) -> str:
    """Returns the error of an attempt in one line: the last line of a traceback, the first line of any other error."""
    lines = error.strip().splitlines() or [""]
    # In an error that does not count against its trial, a few words precede the traceback on its first line.
    return lines[-1 if lines[0].endswith(TRACEBACK) else 0]


def is_control(character: str) -> bool:
    """Returns whether a character acts on a terminal or a reader instead of being shown, such as ESC or a line end."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    """Returns `text` with every control character except tab and line end written as an escape such as \\x1b.

    Texts from a database or a file must not move the cursor of a terminal or hide other text.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\t\n" or not is_control(c) else ascii(c)[1:-1] for c in text)
