"""Expands the paths that people write in a sweep file or on the command line."""

import os
import re

from searchspace.errors import UserError, shown

LONGEST_NAME, LONGEST_PATH = 255, 4_095
"""Maximum number of bytes in a file name and in a path on Linux and macOS."""
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")


def expanded(path: str) -> str:
    """Returns `path` with a leading ~ or ~user, $VAR and ${VAR} expanded as in a shell.

    Raises UserError if the user or the variable is unknown, if the path is too long for an operating system, or if it
    contains a control character. Control characters are invisible in most programs, and some systems refuse them.
    """
    found = os.path.expanduser(path)  # noqa: PTH111 - the text may be part of a URL, which Path would change
    if found.startswith("~"):
        raise UserError(
            f"{found.partition('/')[0]} is no user of this machine, got {shown(path)}; "
            "write ./ in front of a name that begins with ~"
        )
    found = with_variables(found)
    if not found.isprintable():
        raise UserError(f"must not contain control characters, got {shown(path)}")
    parts = [len(os.fsencode(part)) for part in found.split("/")]
    if max(parts) > LONGEST_NAME or sum(parts) + len(parts) > LONGEST_PATH:
        raise UserError(
            f"must have at most {LONGEST_PATH:,} bytes, and {LONGEST_NAME} between two slashes, got {shown(path)}"
        )
    return found


def with_variables(text: str) -> str:
    """Returns `text` with $VAR and ${VAR} replaced.

    Raises UserError if a variable is unset or empty. Also raises UserError for other forms that a shell would expand,
    such as ${VAR:-x} and $(command).
    """
    if re.search(r"\$[{(]", _VARIABLE.sub("", text)):
        raise UserError(f"must use only $VAR and ${{VAR}} of a shell's forms, got {shown(text)}")

    def value_of(match: re.Match[str]) -> str:
        value = os.environ.get(match[1] or match[2])
        # With an empty variable, $FOLDER/cache would silently be /cache.
        if not value:
            raise UserError(
                f"the environment variable {match[1] or match[2]} must be set, got {shown(text)}"
            )
        return value

    return _VARIABLE.sub(value_of, text)
