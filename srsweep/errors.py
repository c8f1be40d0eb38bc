"""One line on stderr for what went wrong, with the exit code that says whose doing it was."""

from typing import Any

import click

EXTRAS = {
    "dash": "dashboard",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
}
"""Packages that not everybody needs, and under which name pip installs them with srsweep."""


class PersonsMistake(click.ClickException):
    """Something in a file or on the command line is wrong."""

    exit_code = 2


class RunFailed(click.ClickException):
    """Nothing is wrong with the question, but the run came to no good end."""

    exit_code = 1


class OneLineErrors(click.Group):
    """Turns what a person did wrong into lines on stderr: exit code 2, or 1 for a run that failed."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # of `| head`: click ends quietly
        except Exception as error:
            expected = as_expected(error)
            if expected is None:
                raise
            raise expected from error


def as_expected(error: Exception) -> click.ClickException | None:
    """What to say of `error`; None for a fault of ours, which keeps its traceback."""
    # Imported here: what raises them has been imported by then, and the help needs none of it.
    from sweeps.config.sweep_config import ConfigError
    from sweeps.engine.outcomes import SweepFailed
    from sweeps.store.store import StoreError, SweepTaken

    if isinstance(error, (SweepFailed, SweepTaken, OSError)):
        return RunFailed(str(error))
    if isinstance(error, (ConfigError, StoreError, ValueError)):
        return PersonsMistake(str(error))
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        line = f"{error.name} is not installed; `pip install 'srsweep[{EXTRAS[error.name]}]'`"
        return PersonsMistake(line)
    return None
