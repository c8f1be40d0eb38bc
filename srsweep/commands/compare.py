"""The command `compare`: compares the fronts of sweeps."""

import json

import click

from analysis.choose.comparison import Compared, compare_sweeps
from analysis.read.database import QUALITIES
from analysis.tables import records
from srsweep.errors import say
from srsweep.options import DATABASE, locate, parts, positive, print_table
from srsweep.pareto_front import named_objectives


@click.command()
@click.argument("names", metavar="SWEEP SWEEP...", nargs=-1, required=True)
@click.option(
    "--objectives",
    metavar="psnr_y,params",
    help="Objectives of the fronts. Default: those that all sweeps have.",
)
@click.option(
    "--budgets",
    metavar="50k,150k",
    help="Budgets at which the best networks are compared. They limit the first cost among the "
    "objectives, such as params. Default: round numbers between the costs of the cheapest and the most "
    "expensive network on the fronts.",
)
@DATABASE
@click.option("--json", "as_json", is_flag=True, help="Print JSON, without rounding.")
def compare(
    names: tuple[str, ...],
    objectives: str | None,
    budgets: str | None,
    db: str | None,
    as_json: bool,
) -> None:
    """Compare the fronts of two or more sweeps.

    SWEEP is the name of a sweep, or a sweep file. All sweeps must be in one database; `srsweep merge` copies sweeps
    from another one. The command prints the fronts side by side and marks networks that another sweep dominates. It
    gives the hypervolume of each front as a share of the joint hypervolume of all fronts. It also prints the best
    network of each sweep at equal budgets, and the settings that differ. Sweeps with different scales or validation
    images are rejected, because their PSNR values are not comparable.

    For the hypervolume, objectives that are minimized (costs) are on logarithmic axes, and those that are maximized
    (PSNR) are on linear axes. The reference point is the worst value of
    each objective on any of the fronts. To compare pictures, use `srsweep plate`.
    """
    sweeps, url = locate(names, db)
    wanted = named_objectives(url, parts(objectives)) if objectives else None
    limits = [positive("--budgets", text) for text in parts(budgets)]
    found = compare_sweeps(url, sweeps, wanted, limits)
    if as_json:
        click.echo(json.dumps(as_json_types(found), indent=2, allow_nan=False))
        return
    _print(found)


def as_json_types(found: Compared) -> dict[str, object]:
    """Returns a comparison as values of JSON types, without rounding."""
    return {
        "objectives": dict(found.objectives),
        "summary": records(found.summary),
        "fronts": records(found.fronts),
        "budgets": records(found.budgets),
        "settings": records(found.settings),
        "notes": list(found.notes),
    }


def _print(found: Compared) -> None:
    print_table(found.fronts, None)
    say("")
    summary = found.summary.assign(volume=[f"{share:.1%}" for share in found.summary["volume"]])
    print_table(summary, None)
    if len(found.budgets):
        say("\nbest within each budget:")
        quality = next(name for name in found.objectives if name in QUALITIES)
        unit = {name: f"{name}_{quality}" for name in found.summary["sweep"]}
        print_table(found.budgets.rename(columns=unit), None)
    if len(found.settings):
        say("\nsettings that differ:")
        print_table(found.settings, None)
    for note in found.notes:
        say(f"note: {note}", err=True)
