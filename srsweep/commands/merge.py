"""The command `merge`: copies the sweeps of another database."""

import click

from searchspace.errors import UserError, shown
from srsweep.errors import say
from srsweep.options import DATABASE_ALONE, locate
from sweeps.config.places import name_fault
from sweeps.paths import expanded
from sweeps.store.merge import opened
from sweeps.store.store import Store
from sweeps.store.urls import check_url


@click.command()
@click.argument("other")
@click.option(
    "--rename",
    metavar="NAME=NEW",
    multiple=True,
    help="Copy the sweep NAME under the name NEW. Use this option if your database already has a different sweep called NAME. Repeat it for several sweeps.",
)
@DATABASE_ALONE
def merge(other: str, rename: tuple[str, ...], db: str | None) -> None:
    """Copy all sweeps from another database into yours.

    OTHER is the other database: an SQLite file or a database URL. Yours is the one that --db names. If
    you merge OTHER again, only the rows that are new in OTHER are added.

    \b
    ray rsync-down sweep.yaml '~/results.db' cluster.db
    srsweep merge cluster.db
    """
    renamed = {}
    for text in rename:
        name, equals, new = text.partition("=")
        if not (name and equals and new):
            raise UserError(f"--rename: must read NAME=NEW, got {shown(text)}")
        if fault := name_fault(new):
            raise UserError(f"--rename: NEW {fault}")
        renamed[name] = new
    try:
        source = check_url(other) if "://" in other else expanded(other)
    except UserError as error:
        raise UserError(f"OTHER: {error}") from None
    _, url = locate([], db)
    # The other database first: if it is refused, no empty database is left behind.
    with opened(source, renamed) as found:
        store = Store(url)
        try:
            for merged in found.copy_to(store):
                say(f"{merged.name}: {merged.trials} trials, {merged.new_trials} of them new")
        finally:
            store.close()
