"""What is stored or given as people are shown it: URLs without passwords, since logs of a cluster are read by anybody,
and errors in one line.
"""

import re

TRACEBACK = "Traceback (most recent call last):"
"""How Python begins one."""

_IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
_IN_QUERY = re.compile(r"(password=)[^&\s'\"]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """`text` with the passwords of the URLs in it replaced by ***."""
    return _IN_QUERY.sub(r"\1***", _IN_ADDRESS.sub(r"\1:***@", text))


def reason_of(error: str) -> str:
    """An attempt's error in one line: the last one of a traceback, the first one of anything else; '' of none."""
    lines = error.strip().splitlines() or [""]
    # What is not counted against its trial says so before the traceback.
    return lines[-1 if lines[0].endswith(TRACEBACK) else 0]
