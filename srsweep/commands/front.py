"""Commands that read the database: front, report, status."""

from collections.abc import Sequence
from pathlib import Path

import click

from analysis.choose.front import load_front
from analysis.choose.pareto import Direction
from analysis.choose.tiers import TIERS
from analysis.choose.variants import cost_name
from analysis.pages.report import write_report
from analysis.read.database import QUALITIES
from analysis.read.frames import load_cost_names, load_sweeps, load_trials
from analysis.read.points import load_points, load_states
from analysis.tables import Format, front_table, heading
from searchspace.cost import COSTS
from searchspace.quantity import format_quantity
from srsweep.choice import finder
from srsweep.databases import database, locate
from srsweep.options import in_folder, parts, positive, print_table, tabular
from sweeps.messages import reason_of

MEASURE = "`srsweep export {}#NUMBER --to int8 -o FOLDER` measures that and the latency"
MEASURE_ALL = "`srsweep export {} --all --to int8 -o FOLDER` measures that and the latency"


@click.command()
@click.argument("name", required=False)
@database
@tabular
def status(name: str | None, db: str | None, form: Format | None) -> None:
    """List all sweeps, or the trials of the sweep NAME (or of a sweep file)."""
    names, url = locate([name] if name else [], db)
    if names:
        trials = load_trials(url, names)
        columns = ["number", "state", "step", "psnr_y", "params", "multadds", "label", "error"]
        frame = trials[[column for column in columns if column in trials]].copy()
        frame["error"] = [reason_of(text) for text in frame["error"]]
        print_table(frame, form)
        return
    frame = load_sweeps(url)[["name", "scale", "train_data", "created_at"]]
    states = load_states(url).reindex(frame["name"], fill_value=0)
    print_table(frame.join(states, on="name"), form)


@click.command()
@click.argument("name")
@click.option(
    "--objectives",
    metavar="psnr_y,params",
    help="Instead of the sweep's own: psnr_y, ssim_y, psnr_y_int8, costs, latency or 'latency int8'.",
)
@click.option("--int8", is_flag=True, help="With the PSNR after INT8, of the trials exported so.")
@database
@tabular
def front(
    name: str, objectives: str | None, int8: bool, db: str | None, form: Format | None
) -> None:
    """Print the Pareto front of the sweep NAME (or of a sweep file).

    Over the sweep's own objectives, cheapest first, of the trials that are complete.
    """
    (sweep,), url = locate([name], db)
    wanted = _objectives(url, sweep)
    if objectives:
        names = [text.strip() for text in objectives.split(",")]
        known = load_cost_names(url) or list(COSTS)  # before the first trial none is stored
        wanted = _directions([n if n in QUALITIES else cost_name(known, n) for n in names])
    if int8:
        rest = {name: way for name, way in wanted.items() if name != "psnr_y"}
        wanted = _directions(["psnr_y_int8"]) | rest
    if int8 or objectives:
        _tell_missing(url, sweep, list(wanted))
    extra = ["psnr_y", "params", "multadds"]
    print_table(front_table(load_front(url, sweep, wanted, extra), list(wanted)), form)


def _objectives(db: str, name: str) -> dict[str, Direction]:
    settings = load_sweeps(db, [name])["settings"].iloc[0]
    return dict(settings["objectives"])


def _directions(names: Sequence[str]) -> dict[str, Direction]:
    """Qualities are to be large, everything else small."""
    return {name: "maximize" if name in QUALITIES else "minimize" for name in names}


def _tell_missing(url: str, sweep: str, names: Sequence[str]) -> None:
    """Say of how many complete trials an objective was not measured: they cannot be on the front.

    Raises ValueError where it was measured of none.
    """
    points = load_points(url, sweep, names)
    for name in names:
        lacking = int(points[name].isna().sum())
        which = f"{lacking} of {len(points)} complete trials have no {heading(name)}"
        if lacking and lacking == len(points):
            raise ValueError(f"{sweep}: {which}; {MEASURE_ALL.format(sweep)}")
        if lacking:
            click.echo(f"left out: {which}; {MEASURE.format(sweep)}", err=True)


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default="report.html"
)
@click.option(
    "--tiers",
    "tier_limits",
    default=",".join(format_quantity(limit) for limit in TIERS),
    show_default=True,
    help="Parameters within which the page names a variant each.",
)
@click.option(
    "--trained",
    "folders",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Of `srsweep train`: its network is shown in the pictures of its variant.",
)
@database
def report(
    names: tuple[str, ...],
    output: Path,
    tier_limits: str,
    folders: tuple[Path, ...],
    db: str | None,
) -> None:
    """Write one HTML page about sweeps.

    NAME... are sweeps or sweep files. The page is self-contained and opens without a network.
    """
    sweeps, url = locate(names, db)
    limits = [positive("--tiers", text) for text in parts(tier_limits)]
    in_folder("-o", output)
    write_report(url, sweeps, output, tier_limits=limits, find=finder(url, folders))
    click.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
