"""Commands that hand the database to other programs: a browser, Optuna's tools."""

from pathlib import Path

import click

from srsweep.databases import database, locate
from srsweep.options import in_folder


@click.command()
@database
@click.option("--port", type=click.IntRange(1, 65_535), default=8050, show_default=True)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Anybody who reaches another address sees the sweeps.",
)
def dashboard(db: str | None, port: int, host: str) -> None:
    """Show the sweeps live in a browser.

    Read only: it can be opened, left open and closed while a sweep runs. Needs Dash:
    `pip install srsweep[dashboard]`.
    """
    from analysis.pages.dashboard import serve  # Dash takes seconds to import

    _, url = locate([], db)
    serve(url, host=host, port=port, announce=lambda at: click.echo(f"{at} (Ctrl-C ends it)"))


@click.command(name="export-optuna")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default="study.db")
@database
def export_optuna(name: str, output: Path, db: str | None) -> None:
    """Write a sweep as an Optuna study.

    NAME is a sweep or a sweep file. `optuna-dashboard sqlite:///study.db` opens the file.
    """
    from analysis.export.optuna_study import export_study

    in_folder("-o", output)
    (sweep,), url = locate([name], db)
    number = export_study(url, sweep, output)
    click.echo(f"wrote {number:,} trials to {output}")
