"""Turns the error of a failed command into one line on stderr and an exit code.

Exit code 2: the user made a mistake and can correct it. Exit code 1: any other error. An unexpected error is a fault
of the program. Its traceback goes to a log file (`sweeps.engine.log`), and the line names that file.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from searchspace.errors import UserError, cut
from sweeps.engine.log import log_failure, log_of
from sweeps.messages import TRACEBACK, reason_of, redacted, visible

EXTRAS = {
    "MNN": "mnn",
    "ai_edge_litert": "litert",
    "ai_edge_quantizer": "litert",
    "coremltools": "coreml",
    "dash": "dashboard",
    "executorch": "executorch",
    "litert_torch": "litert",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "torchao": "executorch",
}
"""Maps each optional package to the extra of srsweep that installs it."""

_DATABASE = "srsweep.database"


def say(text: str, *, err: bool = False) -> None:
    """Prints `text`, which may come from data, to stdout, or to stderr if `err`.

    Secrets are hidden, and control characters, which a terminal would obey, are shown as escapes.
    """
    click.echo(_shown(text), err=err)


class Mistake(click.ClickException):
    """A mistake in a file or on the command line, which the user can correct."""

    exit_code = 2


class RunFailed(click.ClickException):
    """A failure of a command whose input was valid."""

    exit_code = 1


class OneLineErrors(click.Group):
    """A group of commands that shows any error as one line, without secrets and control characters."""

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Parses the command line. Hides secrets in click's own errors, which quote the command line."""
        with _shown_errors():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. Turns every error into one of click's errors, with a message for the terminal."""
        with _shown_errors():
            try:
                return super().invoke(ctx)
            # click answers its own errors. It ends quietly when `| head` closes the pipe.
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except Exception as error:
                raise (as_expected(error) or as_unexpected(error)) from error


@contextmanager
def _shown_errors() -> Iterator[None]:
    """Cuts long lines in the message of an error from the `with` block, and hides secrets and control characters."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = _shown(cut(error.message))  # final for a type checker
        raise


def use_database(url: str) -> None:
    """Remembers the database of the running command, so that a traceback goes to the log beside that database."""
    if context := click.get_current_context(silent=True):
        context.meta[_DATABASE] = url


def as_expected(error: Exception) -> click.ClickException | None:
    """Returns the click error to show for an expected error, or None if `error` is a fault of the program."""
    if isinstance(error, OSError):
        return RunFailed(_line_of(error))
    if isinstance(error, UserError):
        return Mistake(str(error))
    # Imported here because they need torch, which takes seconds. A mistake is shown without it.
    from sweeps.engine.outcomes import SweepFailed
    from sweeps.store.store import StoreError, SweepTaken

    if isinstance(error, (SweepFailed, SweepTaken, StoreError)):
        return RunFailed(str(error))
    if isinstance(error, ModuleNotFoundError) and (line := missing_extra(error)):
        return Mistake(line)
    return None


def missing_extra(error: ModuleNotFoundError) -> str:
    """Returns a line that explains how to install the missing package if it is optional, otherwise ''."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return ""
    return f"{package} is not installed; `pip install 'srsweep[{EXTRAS[package]}]'`"


def as_unexpected(error: Exception) -> click.ClickException:
    """Writes the traceback of `error` to the log. Returns a RunFailed whose message names the error and the log.

    A row in the command's database that srsweep cannot have written is taken as the cause. If there is one, the
    function logs nothing and returns a Mistake that names the row.
    """
    if row := _wrong_row():
        return Mistake(row)
    reason = next((line for line in str(error).splitlines() if line.strip()), "")
    name = type(error).__name__
    return _logged(
        f"{name}: {reason}" if reason else name, "".join(traceback.format_exception(error))
    )


def _wrong_row() -> str:
    """Returns the message about the first wrong row in the database of the running command; '' if there is none."""
    from analysis.read.database import check_database

    context = click.get_current_context(silent=True)
    url = context.meta.get(_DATABASE, "") if context else ""
    if not url:
        return ""
    try:
        check_database(url)
    except UserError as error:
        return str(error) if ": table " in str(error) else ""
    except Exception:  # the error of the command is the one to show
        return ""
    return ""


def as_failed_training(error: str) -> RunFailed:
    """Returns a RunFailed for the text `error` of a failed Outcome. If the text is a traceback, it goes to the log."""
    return _logged(reason_of(error), error) if TRACEBACK in error else RunFailed(error)


def _logged(reason: str, trace: str) -> RunFailed:
    context = click.get_current_context(silent=True)
    log = log_of(context.meta.get(_DATABASE, "") if context else "")
    if log_failure(log, trace):
        return RunFailed(f"{reason}; the traceback is in {log}")
    say(trace, err=True)
    return RunFailed(f"{reason}; the traceback is above because {log} cannot be written")


def _shown(text: str) -> str:
    return visible(redacted(text))


def _line_of(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error) or type(error).__name__
    files = [error.filename, *([] if error.filename2 is None else [error.filename2])]
    return f"{' -> '.join(map(str, files))}: {error.strerror}"
