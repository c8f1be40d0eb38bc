"""Commands that read the database: front, select, report, status."""

from collections.abc import Sequence
from pathlib import Path

import click

from analysis.chosen import TIERS
from analysis.load import load_sweeps, load_trials
from analysis.load_database import LATENCY, QUALITIES
from analysis.load_points import load_front
from analysis.pareto import Direction
from analysis.report import write_report
from analysis.select import at_knee, best_within, selection_table, tiers, variants, weighted
from analysis.tables import Format, front_table
from searchspace.cost import COSTS
from searchspace.quantity import format_quantity, parse_quantity
from srsweep.arguments import print_table, tabular
from srsweep.choice import finder
from srsweep.databases import database, locate


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
        frame["error"] = [str(text).strip().splitlines()[-1:] for text in frame["error"]]
        frame["error"] = ["".join(lines) for lines in frame["error"]]
        print_table(frame, form)
        return
    states = load_trials(url).groupby(["sweep", "state"]).size().unstack(fill_value=0)
    frame = load_sweeps(url)[["name", "scale", "train_data", "created_at"]]
    print_table(frame.join(states, on="name").fillna(0), form)


@click.command()
@click.argument("name")
@click.option(
    "--objectives",
    metavar="psnr_y,params",
    help="Instead of the sweep's own: psnr_y, psnr_y_int8, costs, or a latency by its full name.",
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
    wanted = _directions(objectives.split(",")) if objectives else _objectives(url, sweep)
    if int8:
        rest = {name: way for name, way in wanted.items() if name != "psnr_y"}
        wanted = _directions(["psnr_y_int8"]) | rest
    extra = ["psnr_y", "params", "multadds"]
    print_table(front_table(load_front(url, sweep, wanted, extra), list(wanted)), form)


def _objectives(db: str, name: str) -> dict[str, Direction]:
    settings = load_sweeps(db, [name])["settings"].iloc[0]
    return dict(settings["objectives"])


def _directions(names: Sequence[str]) -> dict[str, Direction]:
    """Qualities are to be large, everything else small."""
    return {n.strip(): "maximize" if n.strip() in QUALITIES else "minimize" for n in names}


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--max", "limits", metavar="COST=LIMIT", multiple=True, help="Largest value of a cost."
)
@click.option("--max-params", metavar="N", help="The same as --max params=N.")
@click.option("--max-multadds", metavar="N", help="The same as --max multadds=N.")
@click.option(
    "--min-psnr", type=float, metavar="DB", help="Smallest PSNR-Y on the validation split."
)
@click.option("--tiers", "tier_limits", metavar="50k,150k", help="The best variant of each tier.")
@click.option("--tier-cost", default="params", show_default=True, help="The cost of --tiers.")
@click.option("--knee", is_flag=True, help="Where the front of PSNR against parameters bends.")
@click.option("--weights", metavar="psnr_y=2,params=1", help="TOPSIS with these weights.")
@database
@tabular
def select(  # noqa: PLR0913 - one parameter an option
    names: tuple[str, ...],
    limits: tuple[str, ...],
    max_params: str | None,
    max_multadds: str | None,
    min_psnr: float | None,
    tier_limits: str | None,
    tier_cost: str,
    knee: bool,
    weights: str | None,
    db: str | None,
    form: Format | None,
) -> None:
    """Choose variants for deployment and say why.

    NAME... are sweeps or sweep files.

    \b
    srsweep select NAME --max-params 150k --max-multadds 10G
    srsweep select NAME --tiers 50k,150k,600k
    srsweep select NAME --knee
    """
    sweeps, url = locate(names, db)
    frame = variants(load_trials(url, sweeps))
    short = (("params", max_params), ("multadds", max_multadds))
    allowed = _pairs([*limits, *(f"{cost}={limit}" for cost, limit in short if limit is not None)])
    chosen = []
    if tier_limits:
        chosen += tiers(frame, tier_cost, [parse_quantity(t) for t in tier_limits.split(",")])
    if knee:
        chosen.append(at_knee(frame))
    if weights:
        chosen.append(weighted(frame, _weights(weights)))
    if allowed or min_psnr is not None or not chosen:
        chosen.append(best_within(frame, allowed, min_psnr))
    table = selection_table(frame, chosen)
    print_table(table if form else table.drop(columns="sentence"), form)
    if form is None:
        for selection in chosen:
            click.echo(f"\n{selection.rule}: {selection.sentence}")


def _weights(text: str) -> dict[str, float]:
    """'name=weight' each, joined by commas; ValueError for a weight that is not above 0."""
    pairs = _pairs(text.split(","))
    for name, weight in pairs.items():
        if not 0 < weight < float("inf"):
            raise ValueError(f"--weights: must be above 0, got {name}={weight:g}; leave {name} out")
    return pairs


def _pairs(texts: Sequence[str]) -> dict[str, float]:
    """'name=number' each."""
    pairs = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if name not in (*COSTS, *QUALITIES) and not name.startswith(LATENCY):
            raise ValueError(f"{text}: must name a cost: {', '.join(COSTS)}")
        pairs[name] = parse_quantity(number)
    return pairs


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), default="report.html")
@click.option(
    "--tiers",
    "tier_limits",
    default=",".join(format_quantity(limit) for limit in TIERS),
    show_default=True,
    help="Parameters within which the page names a variant each.",
)
@database
def report(names: tuple[str, ...], output: Path, tier_limits: str, db: str | None) -> None:
    """Write one HTML page about sweeps.

    NAME... are sweeps or sweep files. The page is self-contained and opens without a network.
    """
    sweeps, url = locate(names, db)
    limits = [parse_quantity(text) for text in tier_limits.split(",")]
    write_report(url, sweeps, output, tier_limits=limits, find=finder(url))
    click.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
