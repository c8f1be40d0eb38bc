"""Commands that read the database: front, select, report, status."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from analysis.report import write_report

from analysis.load import load_front_points, load_sweeps, load_trials
from analysis.pareto import front_mask
from analysis.select import at_knee, best_within, selection_table, tiers, variants, weighted
from analysis.tables import Format, front_table
from searchspace.cost import COSTS
from searchspace.quantity import parse_quantity
from srsweep.arguments import print_table, tabular
from sweeps.config import STORAGE_VARIABLE

database = click.option(
    "--db",
    envvar=STORAGE_VARIABLE,
    default="sqlite:///results.db",
    show_default=True,
    help=f"Database URL; also from the environment variable {STORAGE_VARIABLE}.",
)


@click.command()
@click.argument("name", required=False)
@database
@tabular
def status(name: str | None, db: str, form: Format | None) -> None:
    """List the sweeps in the database, or the trials of the sweep NAME."""
    if name is not None:
        trials = load_trials(db, [name])
        columns = ["number", "state", "step", "psnr_y", "params", "multadds", "label", "error"]
        frame = trials[[column for column in columns if column in trials]].copy()
        frame["error"] = [str(text).strip().splitlines()[-1:] for text in frame["error"]]
        frame["error"] = ["".join(lines) for lines in frame["error"]]
        print_table(frame, form)
        return
    states = load_trials(db).groupby(["sweep", "state"]).size().unstack(fill_value=0)
    frame = load_sweeps(db)[["name", "scale", "train_data", "created_at"]]
    print_table(frame.join(states, on="name").fillna(0), form)


@click.command()
@click.argument("name")
@database
@tabular
def front(name: str, db: str, form: Format | None) -> None:
    """Print the Pareto front of the sweep NAME over its objectives, cheapest first."""
    objectives = _objectives(db, name)
    points = load_front_points(db, name, list(dict.fromkeys([*objectives, "params", "multadds"])))
    mask = front_mask(points[list(objectives)].to_numpy(), list(objectives.values()))
    print_table(front_table(points[mask], list(objectives)), form)


def _objectives(db: str, name: str) -> dict[str, Any]:
    settings = load_sweeps(db, [name])["settings"].iloc[0]
    return dict(settings["objectives"])


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
    db: str,
    form: Format | None,
) -> None:
    """Choose variants of one or several sweeps and say why.

    \b
    srsweep select NAME --max-params 150k --max-multadds 10G
    srsweep select NAME --tiers 50k,150k,600k
    srsweep select NAME --knee
    """
    frame = variants(load_trials(db, list(names)))
    short = (("params", max_params), ("multadds", max_multadds))
    allowed = _pairs([*limits, *(f"{cost}={limit}" for cost, limit in short if limit is not None)])
    chosen = []
    if tier_limits:
        chosen += tiers(frame, tier_cost, [parse_quantity(t) for t in tier_limits.split(",")])
    if knee:
        chosen.append(at_knee(frame))
    if weights:
        chosen.append(weighted(frame, _pairs(weights.split(","))))
    if allowed or min_psnr is not None or not chosen:
        chosen.append(best_within(frame, allowed, min_psnr))
    print_table(selection_table(frame, chosen), form)
    if form is None:
        for selection in chosen:
            click.echo(f"\n{selection.rule}: {selection.sentence}")


def _pairs(texts: Sequence[str]) -> dict[str, float]:
    """'name=number' each."""
    pairs = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in (*COSTS, "psnr_y", "ssim_y"):
            raise ValueError(f"{text}: must name a cost: {', '.join(COSTS)}")
        pairs[name] = parse_quantity(number)
    return pairs


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), default="report.html")
@database
def report(names: tuple[str, ...], output: Path, db: str) -> None:
    """Write one self-contained HTML page about the sweeps NAME...; it opens without a network."""
    write_report(db, list(names), output)
    click.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")
