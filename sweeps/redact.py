"""Database URLs as they may be shown: logs of a cluster are read by anybody."""

import re

_IN_ADDRESS = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
_IN_QUERY = re.compile(r"(password=)[^&\s'\"]*", re.IGNORECASE)


def without_password(text: str) -> str:
    """`text` with the passwords of the URLs in it replaced by ***."""
    return _IN_QUERY.sub(r"\1***", _IN_ADDRESS.sub(r"\1:***@", text))
