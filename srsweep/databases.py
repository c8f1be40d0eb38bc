"""Which database a command is about, and which sweeps in it."""

from collections.abc import Sequence
from pathlib import Path

import click

from sweeps.config.sweep_config import STORAGE_VARIABLE, read_config

DEFAULT_DATABASE = "sqlite:///results.db"

database = click.option(
    "--db",
    envvar=STORAGE_VARIABLE,
    default=None,
    help=f"Database URL; also from the environment variable {STORAGE_VARIABLE}. Default: that of the "
    f"sweep file where one is named, otherwise {DEFAULT_DATABASE}.",
)


def locate(names: Sequence[str], db: str | None) -> tuple[list[str], str]:
    """Names of sweeps and the database that they are in; a name may also be a sweep file."""
    found = []
    for name in names:
        if name.endswith((".yaml", ".yml")):
            config = read_config(Path(name))
            db = db or config.storage
            name = config.name
        found.append(name)
    return found, db or DEFAULT_DATABASE
