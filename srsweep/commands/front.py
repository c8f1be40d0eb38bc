"""The command `front`: prints the Pareto front of a sweep."""

from collections.abc import Sequence

import click

from analysis.choose.front import load_front
from analysis.choose.pareto import Direction
from analysis.choose.variants import cost_name
from analysis.read.database import QUALITIES
from analysis.read.frames import load_cost_names, load_spread_names, load_sweeps
from analysis.read.points import load_points
from analysis.tables import Format, front_table, heading
from searchspace.cost import COSTS
from searchspace.errors import UserError
from srsweep.advice import advised
from srsweep.errors import say
from srsweep.options import DATABASE, locate, parts, print_table, tabular
from sweeps.advice import folder_for

UNRELIABLE = (
    "unreliable: other processes used the cores, or the quartiles kept changing; on a machine that does nothing else, "
    "`{}` measures the sweep's latencies anew"
)


@click.command()
@click.argument("name")
@click.option(
    "--objectives",
    metavar="psnr_y,params",
    help="Objectives to use instead of the sweep's own: psnr_y, ssim_y, psnr_rgb, psnr_y_int8, any cost, or latency. If "
    "several latencies were measured, add words from the name of the one that you want, as in 'latency int8'. "
    "--csv shows the names.",
)
@click.option(
    "--int8",
    is_flag=True,
    help="Use the PSNR after INT8 quantisation. Only trials that were exported to INT8 have this PSNR.",
)
@DATABASE
@tabular
def front(
    name: str, objectives: str | None, int8: bool, db: str | None, form: Format | None
) -> None:
    """Print the Pareto front of a sweep.

    NAME is the name of a sweep, or a sweep file. The front contains only complete trials and is sorted
    by cost, the cheapest trial first. Without --objectives and --int8, the sweep's own objectives are
    used.
    """
    (sweep,), url = locate([name], db)
    wanted = _objectives(url, sweep)
    if objectives:
        names = parts(objectives)
        known = load_cost_names(url) or list(COSTS)  # none is stored before the first trial
        wanted = _directions([n if n in QUALITIES else cost_name(known, n) for n in names])
    if int8:
        rest = {name: way for name, way in wanted.items() if name != "psnr_y"}
        wanted = _directions(["psnr_y_int8"]) | rest
    if int8 or objectives:
        _tell_missing(url, sweep, list(wanted))
    extra = ["psnr_y", "psnr_rgb", "params", "multadds", *load_spread_names(url, wanted)]
    table = front_table(load_front(url, sweep, wanted, extra), list(wanted))
    print_table(table, form)
    if "quartiles_ms" in table and table["quartiles_ms"].str.endswith("unreliable").any():
        anew = advised("latency", sweep, "--replace", storage=url)
        say(UNRELIABLE.format(anew), err=True)


def _objectives(db: str, name: str) -> dict[str, Direction]:
    settings = load_sweeps(db, [name])["settings"].iloc[0]
    return dict(settings["objectives"])


def _directions(names: Sequence[str]) -> dict[str, Direction]:
    """Returns the direction of each objective: qualities are maximized, all others are minimized."""
    return {name: "maximize" if name in QUALITIES else "minimize" for name in names}


def _tell_missing(url: str, sweep: str, names: Sequence[str]) -> None:
    """Prints how many complete trials the front leaves out because an objective was not measured.

    Raises UserError if an objective was not measured in any trial.
    """
    points = load_points(url, sweep, names)
    for name in names:
        without = points[points[name].isna()]
        which = f"{len(without)} of {len(points)} complete trials have no {heading(name)}"
        if len(without) and len(without) == len(points):
            raise UserError(f"{sweep}: {which}; {_measuring(name, sweep, url, '--all')}")
        if len(without):
            trial = f"{sweep}#{without['number'].iloc[0]}"
            say(f"left out: {which}; {_measuring(name, trial, url)}", err=True)


def _measuring(name: str, variant: str, url: str, *options: str) -> str:
    """Returns advice on how to measure the objective `name` of `variant`, a trial or a sweep."""
    if name == "psnr_rgb":
        return "srsweep measures it at each evaluation of a training, and did not when these were trained"
    words = [variant, *options, "--to", "int8", "-o", folder_for(f"{variant}-int8")]
    return f"`{advised('export', *words, storage=url)}` measures it and the latency"
