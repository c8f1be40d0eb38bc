"""The command `merge`: copies the sweeps of another database."""

import click

from searchspace.errors import UserError
from srsweep.options import DATABASE, locate
from sweeps.store.merge import merge as merge_sweeps
from sweeps.store.store import Store


@click.command()
@click.argument("other")
@click.option(
    "--rename",
    metavar="NAME=NEW",
    multiple=True,
    help="New name for a sweep whose name is taken here. Repeat it for several sweeps.",
)
@DATABASE
def merge(other: str, rename: tuple[str, ...], db: str | None) -> None:
    """Copy all sweeps of the database OTHER into this one.

    OTHER is a file or a URL. When you merge it again, only what is new in OTHER is added.

    \b
    ray rsync-down sweep.yaml '~/results.db' cluster.db
    srsweep merge cluster.db
    """
    renamed = {}
    for text in rename:
        name, equals, new = text.partition("=")
        if not (name and equals and new):
            raise UserError(f"--rename: must read NAME=NEW, got {text!r}")
        renamed[name] = new
    _, url = locate([], db)
    store = Store(url)
    try:
        for merged in merge_sweeps(other, store, renamed):
            click.echo(f"{merged.name}: {merged.trials} trials, {merged.new_trials} of them new")
    finally:
        store.close()
