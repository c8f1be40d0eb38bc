"""The error type for mistakes that users make and can fix."""


class UserError(ValueError):
    """A user's mistake, raised where input enters the program: a file, a command line, an argument.

    The message has one line per mistake. Each line says where the mistake is, what must hold, and which value was
    given. The command line prints only the message and exits with code 2. Every other exception is a fault of the
    program: its traceback goes to a log file, and the exit code is 1.
    """
