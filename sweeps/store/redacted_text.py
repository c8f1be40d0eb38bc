"""The type of database columns for text that may contain a password, such as a sweep file or an error."""

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from sweeps.messages import redacted


class RedactedText(TypeDecorator[str]):
    """A text column. Secrets are replaced by *** before a value is stored.

    Secrets are also replaced when a value is read, because earlier versions of srsweep stored them.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns the value to store."""
        return redacted(value) if value else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Returns the value that was stored, without the secrets that an earlier version left in it."""
        return redacted(value) if value else value
