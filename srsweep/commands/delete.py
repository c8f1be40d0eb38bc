"""The command `delete`: deletes a sweep from the database, with its checkpoints."""

import contextlib
from pathlib import Path

import click

from analysis.read.frames import load_trials
from analysis.read.notes import load_notes
from searchspace.errors import UserError
from srsweep.choice import stored_config
from srsweep.errors import say
from srsweep.options import DATABASE, is_terminal, locate
from sweeps.checkpoints.object_store import is_url
from sweeps.messages import redacted_url
from sweeps.store.management import delete_sweep
from sweeps.store.store import Store


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@DATABASE
def delete(name: str, yes: bool, db: str | None) -> None:
    """Delete a sweep with its trials and checkpoints.

    NAME is the name of a sweep, or a sweep file. The command shows what it would delete and asks for confirmation. It
    deletes the rows of the sweep and the checkpoints of its trials on this machine. Output folders of `srsweep train`
    and exported files stay. A running sweep cannot be deleted.
    """
    (sweep,), url = locate([name], db)
    numbers = load_trials(url, [sweep])["number"].tolist()
    files, note = _checkpoints(url, sweep, numbers)
    trials = f"{len(numbers):,} trial{'s' * (len(numbers) != 1)}"
    notes = len(load_notes(url, sweep))
    noted = f" ({notes:,} with a star or a note)" if notes else ""
    what = f"sweep {sweep} with {trials}{noted} in {redacted_url(url)}, and {note}"
    if not yes and not is_terminal():
        raise UserError(f"--yes: must be given where nobody can answer; it would delete {what}")
    if not yes:
        click.confirm(f"delete {what}?", abort=True)
    store = Store(url)
    try:
        delete_sweep(store, sweep)
    finally:
        store.close()
    for file in files:
        file.unlink(missing_ok=True)
    for folder in _folders(files):
        _remove_empty(folder)
    say(f"deleted {what}")


def _checkpoints(url: str, sweep: str, numbers: list[int]) -> tuple[list[Path], str]:
    """Returns the checkpoints of the trials `numbers` on this machine, and a phrase about them.

    The folder comes from the database, which somebody else may have written. Only files with names that srsweep gives
    are therefore returned.
    """
    try:
        config = stored_config(url, sweep)
    except UserError:
        return [], "no checkpoint, because its settings cannot be read"
    if is_url(config.checkpoints):
        return [], f"no checkpoint, because they are in {redacted_url(config.checkpoints)}"
    folder = config.checkpoint_folder / sweep
    found = [file for n in numbers for file in (folder / str(n)).glob("attempt-[0-9]*.pt")]
    plural = "" if len(found) == 1 else "s"
    return found, f"{len(found):,} checkpoint{plural} in {folder}"


def _folders(files: list[Path]) -> list[Path]:
    """Returns the folders of trials and of the sweep that hold `files`, the deepest first."""
    found = {parent for file in files for parent in (file.parent, file.parent.parent)}
    return sorted(found, key=lambda folder: len(folder.parts), reverse=True)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it holds other files, or it is gone
        folder.rmdir()
