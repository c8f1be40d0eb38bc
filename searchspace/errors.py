"""The error type for mistakes that users make and can fix, and the form in which messages show a value."""

LONGEST_LINE = 1_000
"""Maximum length of a line of a message, in characters. The middle of a longer line is left out."""
LONGEST_VALUE = 100
"""Maximum length of a value in a message, in characters."""
KEPT_DIGITS = 4_000
"""Maximum number of digits of an int that `shown` writes out. Python refuses to write more than 4,300 digits."""


class UserError(ValueError):
    """A user's mistake, raised where input enters the program: a file, a command line, an argument.

    The message has one line per mistake. Each line gives the place of the mistake, what must hold, and the value that
    was given. The command line prints only the message and exits with code 2. Every other exception is a fault of the
    program: its traceback goes to a log file, and the exit code is 1.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(cut(each) if isinstance(each, str) else each for each in arguments))


def cut(text: str) -> str:
    """Returns `text` with the middle left out of each line that is longer than LONGEST_LINE characters."""
    if len(text) <= LONGEST_LINE:
        return text
    return "\n".join(_shortened(line, LONGEST_LINE) for line in text.split("\n"))


def shown(value: object) -> str:
    """Returns the repr of `value` for a message, cut to about LONGEST_VALUE characters."""
    if isinstance(value, int) and value.bit_length() > 3 * KEPT_DIGITS:
        return f"a number of more than {KEPT_DIGITS:,} digits"
    # Only the beginning and the end are shown, so a long text need not be escaped as a whole.
    if isinstance(value, str) and len(value) > 4 * LONGEST_VALUE:
        left_out = len(value) - 2 * LONGEST_VALUE
        value = f"{value[:LONGEST_VALUE]}{'.' * left_out}{value[-LONGEST_VALUE:]}"
    return _shortened(repr(value), LONGEST_VALUE)


def printed(name: str) -> str:
    """Returns `name` for a message. A long or empty name, or one with control characters, is written as by `shown`."""
    return name if name.isprintable() and 0 < len(name) <= LONGEST_VALUE else shown(name)


def _shortened(line: str, most: int) -> str:
    if len(line) <= most:
        return line
    head, tail = most * 6 // 10, most * 2 // 10
    return f"{line[:head]} ... ({len(line) - head - tail:,} characters) ... {line[-tail:]}"
