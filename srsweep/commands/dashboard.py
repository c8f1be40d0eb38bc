"""The command `dashboard`: shows sweeps live in a browser."""

import click

from srsweep.options import DATABASE_ALONE, locate


@click.command()
@DATABASE_ALONE
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8050,
    show_default=True,
    help="Port at which the page is served.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address at which the page is served. Use this address in the browser; requests with a different "
    "Host header are refused. With an address other than the default, anyone who can reach this machine "
    "can see the sweeps. Unless --read-only is given, they can also write notes.",
)
@click.option(
    "--read-only",
    is_flag=True,
    help="Write nothing to the database. Stars and notes cannot be changed.",
)
def dashboard(db: str | None, port: int, host: str, read_only: bool) -> None:
    """Show the sweeps live in a browser.

    Click points or table rows to select trials and compare them. The address of the page then names the selected
    trials, so you can bookmark it or send it. You can open and close the dashboard while a sweep runs without
    disturbing it. The dashboard writes nothing but your stars and notes. It needs Dash: `pip install 'srsweep[dashboard]'`.
    """
    from analysis.pages.dashboard import serve  # Dash takes seconds to import
    from srsweep.choice import finder
    from srsweep.noting import saver

    _, url = locate([], db)
    serve(
        url,
        host=host,
        port=port,
        announce=lambda at: click.echo(f"{at} (stop with Ctrl-C)"),
        save=None if read_only else saver(url),
        find=finder(url),
    )
