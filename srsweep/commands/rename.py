"""The command `rename`: renames a sweep in the database, with the folder of its checkpoints."""

import re
from pathlib import Path

import click

from analysis.read.frames import load_sweeps
from searchspace.errors import UserError
from srsweep.choice import stored_config
from srsweep.errors import say
from srsweep.options import DATABASE, locate
from sweeps.checkpoints.object_store import is_url
from sweeps.config.places import name_fault
from sweeps.messages import redacted_url
from sweeps.records import SWEEP_NAME
from sweeps.store.management import rename_sweep
from sweeps.store.store import Store


@click.command()
@click.argument("name")
@click.argument("new")
@DATABASE
def rename(name: str, new: str, db: str | None) -> None:
    """Rename a sweep and the folder of its checkpoints.

    NAME is the name of a sweep, or a sweep file. NEW is the name that it gets. Trials keep their numbers.
    The name in a sweep file is not changed; edit it before you run the file again. A running sweep cannot be
    renamed.
    """
    if fault := name_fault(new):
        raise UserError(f"NEW: {fault}")
    if not re.fullmatch(SWEEP_NAME, new):
        raise UserError(
            "NEW: must begin with a letter or a digit and consist of at most 100 letters, digits, "
            "dots, hyphens and "
            f"underscores, got {new!r}"
        )
    (sweep,), url = locate([name], db)
    load_sweeps(url, [sweep])  # raises for a mistyped name, which must not make a new database
    old, renamed = _folders(url, sweep, new)
    note = ""

    def move() -> None:
        nonlocal note
        if old is None or renamed is None or not old.is_dir():
            return
        if renamed.exists():
            raise UserError(
                f"checkpoints: {renamed} exists already; move it away, or choose another name"
            )
        old.rename(renamed)
        note = f", and its checkpoints are in {renamed}"

    store = Store(url)
    try:
        rename_sweep(store, sweep, new, move)
    except OSError as error:
        raise UserError(f"checkpoints: {old} cannot be renamed: {error.strerror}") from None
    finally:
        store.close()
    say(
        f"sweep {sweep} is now {new} in {redacted_url(url)}{note}; write `name: {new}` in its sweep file "
        "before you run it again"
    )


def _folders(url: str, sweep: str, new: str) -> tuple[Path | None, Path | None]:
    """Returns the folders of the sweep's checkpoints on this machine: the one before and the one after the renaming.

    Both are None if the sweep has no readable settings.

    Raises UserError if the checkpoints are in an object store, which cannot rename a folder.
    """
    try:
        config = stored_config(url, sweep)
    except UserError:
        return None, None  # its settings cannot be read, so that nothing can resume it either
    if is_url(config.checkpoints):
        raise UserError(
            f"checkpoints: they are in {redacted_url(config.checkpoints)}, where a folder cannot be renamed; "
            "the sweep keeps its name"
        )
    return config.checkpoint_folder / sweep, config.checkpoint_folder / new
