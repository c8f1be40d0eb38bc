"""The command `export-optuna`: writes a sweep as an Optuna study."""

from pathlib import Path

import click

from srsweep.options import DATABASE, ExpandedPath, check_folder_of, locate


@click.command(name="export-optuna")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    default="study.db",
    show_default=True,
    help="SQLite file to write.",
)
@DATABASE
def export_optuna(name: str, output: Path, db: str | None) -> None:
    """Write a sweep as an Optuna study.

    NAME is the name of a sweep, or a sweep file. To look at the study, run `optuna-dashboard sqlite:///study.db`.
    """
    from analysis.export.optuna_study import export_study  # Optuna takes a second to import

    check_folder_of("-o", output)
    (sweep,), url = locate([name], db)
    number = export_study(url, sweep, output)
    click.echo(f"wrote {number:,} trials to {output}")
