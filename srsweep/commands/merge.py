"""The command that brings another database's sweeps into this one."""

import click

from srsweep.databases import DEFAULT_DATABASE, database
from sweeps.store.merge import merge
from sweeps.store.store import Store


@click.command(name="merge")
@click.argument("other")
@click.option("--rename", metavar="NAME=NEW", multiple=True, help="For a name that is taken here.")
@database
def merge_command(other: str, rename: tuple[str, ...], db: str | None) -> None:
    """Bring all sweeps of the database OTHER (a file or an URL) into this one.

    Doing so again adds what is new in OTHER since; where nothing is, nothing changes.

    \b
    ray rsync-down sweep.yaml '~/results.db' cluster.db
    srsweep merge cluster.db
    """
    renamed = {}
    for text in rename:
        name, equals, new = text.partition("=")
        if not (name and equals and new):
            raise ValueError(f"--rename: must read NAME=NEW, got {text!r}")
        renamed[name] = new
    store = Store(db or DEFAULT_DATABASE)
    try:
        for merged in merge(other, store, renamed):
            click.echo(
                f"{merged.name}: {merged.trials} trials, {merged.new_trials} of them new here"
            )
    finally:
        store.close()
