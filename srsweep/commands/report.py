"""The command `report`: writes an HTML report about sweeps."""

from pathlib import Path

import click

from analysis.choose.tiers import TIERS
from analysis.pages.report import DEFAULT_PATH, write_report
from searchspace.quantity import format_quantity
from srsweep.choice import finder
from srsweep.options import DATABASE, ExpandedPath, check_folder_of, locate, parts, positive


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    default=DEFAULT_PATH,
    show_default=True,
    help="File to write.",
)
@click.option(
    "--tiers",
    "tier_limits",
    metavar="50k,150k",
    help="Limits on the number of parameters. For each limit, the report recommends the best variant within it. Default: "
    f"{','.join(format_quantity(limit) for limit in TIERS)}. If the sweep limits the number of parameters, its limit replaces all default tiers that are larger.",
)
@click.option(
    "--trained",
    "folders",
    multiple=True,
    metavar="FOLDER",
    type=ExpandedPath(path_type=Path),
    help="Output folder of `srsweep train`. The report uses the weights in this folder to upscale the example images of that network. Repeat the option "
    "for several folders.",
)
@DATABASE
def report(
    names: tuple[str, ...],
    output: Path,
    tier_limits: str | None,
    folders: tuple[Path, ...],
    db: str | None,
) -> None:
    """Write an HTML report about one or more sweeps.

    Each NAME is the name of a sweep, or a sweep file. The report is a single file that opens without an internet
    connection.
    """
    sweeps, url = locate(names, db)
    limits = [positive("--tiers", text) for text in parts(tier_limits)] or None
    check_folder_of("-o", output)
    write_report(url, sweeps, output, tier_limits=limits, find=finder(url, folders))
    click.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
