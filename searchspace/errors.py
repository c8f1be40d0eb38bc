"""The error type for a user's mistake that the user can fix."""


class UserError(ValueError):
    """Raised where a person's input enters the program: a file, a command line, an argument.

    The message is one line. It names the place, says what must hold, and shows what was given. The command
    line prints the message alone and exits with code 2. Every other exception is a fault of the program:
    it keeps its traceback, which goes to a log file, and the exit code is 1.
    """
