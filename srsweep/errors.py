"""Turns the error of a failed command into one line on stderr and an exit code.

Exit code 2: the user made a mistake and can correct it. Exit code 1: any other error. An unexpected error is a fault
of the program. Its traceback goes to a log file (`sweeps.log`), and the line names that file.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from searchspace.errors import UserError, cut
from sweeps.log import log_failure, log_of
from sweeps.messages import TRACEBACK, reason_of, without_password

EXTRAS = {
    "dash": "dashboard",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
}
"""Maps each optional package to the extra of srsweep that installs it."""

_DATABASE = "srsweep.database"


class Mistake(click.ClickException):
    """A mistake in a file or on the command line, which the user can correct."""

    def __init__(self, message: str) -> None:
        super().__init__(cut(message))

    exit_code = 2


class RunFailed(click.ClickException):
    """A failure of a command whose input was valid."""

    def __init__(self, message: str) -> None:
        super().__init__(cut(message))

    exit_code = 1


class OneLineErrors(click.Group):
    """A group of commands that shows any error as one line."""

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Parses the command line. click's own errors show what a person wrote, however long it is."""
        with _cut_messages():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _cut_messages():
                return super().invoke(ctx)
        # click answers its own errors. It ends quietly when `| head` closes the pipe.
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            raise (as_expected(error) or as_unexpected(error)) from error


@contextmanager
def _cut_messages() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = cut(error.message)  # final for a type checker
        raise


def use_database(url: str) -> None:
    """Remembers the database of the running command, so that a traceback goes to the log beside that database."""
    if context := click.get_current_context(silent=True):
        context.meta[_DATABASE] = url


def as_expected(error: Exception) -> click.ClickException | None:
    """Returns the click error to show for an expected error, or None if `error` is a fault of the program."""
    # Imported here because the help needs none of them. Whatever raised `error` has imported them already.
    from sweeps.engine.outcomes import SweepFailed
    from sweeps.store.store import StoreError, SweepTaken

    if isinstance(error, OSError):
        return RunFailed(without_password(_line_of(error)))
    if isinstance(error, (SweepFailed, SweepTaken)):
        return RunFailed(without_password(str(error)))
    if isinstance(error, (UserError, StoreError)):
        return Mistake(without_password(str(error)))
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        line = f"{error.name} is not installed; `pip install 'srsweep[{EXTRAS[error.name]}]'`"
        return Mistake(line)
    return None


def as_unexpected(error: Exception) -> RunFailed:
    """Writes the traceback of `error` to the log. Returns a RunFailed whose message names the error and the log."""
    reason = next((line for line in str(error).splitlines() if line.strip()), "")
    name = type(error).__name__
    return _logged(
        f"{name}: {reason}" if reason else name, "".join(traceback.format_exception(error))
    )


def as_failed_training(error: str) -> RunFailed:
    """Returns a RunFailed for the text `error` of a failed Outcome. If the text is a traceback, it goes to the log."""
    return _logged(reason_of(error), error) if TRACEBACK in error else RunFailed(error)


def _logged(reason: str, trace: str) -> RunFailed:
    context = click.get_current_context(silent=True)
    log = log_of(context.meta.get(_DATABASE, "") if context else "")
    told = without_password(reason)
    if log_failure(log, trace):
        return RunFailed(f"{told}; the traceback is in {log}")
    click.echo(without_password(trace), err=True)
    return RunFailed(f"{told}; the traceback is above because {log} cannot be written")


def _line_of(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error) or type(error).__name__
    files = [error.filename, *([] if error.filename2 is None else [error.filename2])]
    return f"{' -> '.join(map(str, files))}: {error.strerror}"
