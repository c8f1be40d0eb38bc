"""Builds the commands that srsweep recommends. Each begins with the words that the person used to start srsweep."""

import shlex
import shutil
import sys
from pathlib import Path

import click

from sweeps.advice import command


def advised(*words: object, storage: str | None = None) -> str:
    """Returns the command line `srsweep words...`, quoted so that it can be pasted into the person's shell.

    `storage` is the URL of the database that the command must use; None if the command uses no database.
    """
    return command(*words, storage=storage, program=_program())


def _program() -> str:
    """Returns the words that start this program in a shell, quoted."""
    context = click.get_current_context(silent=True)
    name = context.find_root().info_name if context else None
    if name is not None and name.endswith("-m srsweep"):
        python = "python" if shutil.which("python") == sys.executable else sys.executable
        return shlex.join([python, "-m", "srsweep"])
    own = sys.argv[0]
    is_elsewhere = Path(own).name == "srsweep" and shutil.which("srsweep") is None
    return shlex.quote(own) if is_elsewhere else "srsweep"
