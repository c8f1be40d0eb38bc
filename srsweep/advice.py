"""Builds the commands that the command line advises, with the name under which the person calls the program."""

import shlex
import shutil
import sys
from pathlib import Path

import click

from sweeps.advice import command


def advised(*words: object, storage: str | None = None) -> str:
    """Returns the command line `srsweep words...`, which works when it is pasted into the person's shell.

    `storage` is the URL of the database that the command must use; None if it uses none.
    """
    return command(*words, storage=storage, program=_program())


def _program() -> str:
    """Returns the words with which the shell starts this program, quoted."""
    context = click.get_current_context(silent=True)
    name = context.find_root().info_name if context else None
    if name is not None and name.endswith("-m srsweep"):
        python = "python" if shutil.which("python") == sys.executable else sys.executable
        return shlex.join([python, "-m", "srsweep"])
    own = sys.argv[0]
    is_elsewhere = Path(own).name == "srsweep" and shutil.which("srsweep") is None
    return shlex.quote(own) if is_elsewhere else "srsweep"
