"""The command `front`: prints the Pareto front of a sweep."""

from collections.abc import Iterator
from itertools import pairwise

import click
import pandas as pd

from analysis.read.database import measurement
from analysis.read.frames import load_sweeps
from analysis.tables import DOUBT, LATENCY, Format
from searchspace.predicted import PREDICTED_LATENCY
from srsweep.advice import advised
from srsweep.errors import say
from srsweep.options import DATABASE, locate, parts, print_table, tabular
from srsweep.pareto_front import below_bicubic_line, front_of, predicted_line
from sweeps.measure.device_latency import setting_of
from sweeps.measure.latency_objective import FACT

UNRELIABLE = "unreliable: other processes used the cores, or the quartiles kept changing; "
IDLE = "on a machine that does nothing else"


@click.command()
@click.argument("name")
@click.option(
    "--objectives",
    metavar="psnr_y,params",
    help="Objectives to use instead of the sweep's own: psnr_y, ssim_y, psnr_rgb, psnr_y_int8, any cost,"
    " or latency. If there are several latencies, add words from the name of the one you want, as "
    "in 'latency int8'. "
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
    table = front_of(url, sweep, parts(objectives), int8=int8)
    print_table(table, form)
    if PREDICTED_LATENCY in table:
        say(predicted_line(url, sweep), err=True)
    if told := below_bicubic_line(url, sweep, table):
        say(told, err=True)
    for line in _unreliable_lines(url, sweep, table):
        say(line, err=True)


def _unreliable_lines(url: str, sweep: str, table: pd.DataFrame) -> Iterator[str]:
    """Yields a line about each latency of `table` that is unreliable for a trial: how to measure it again."""
    facts = load_sweeps(url, [sweep])
    own = facts[FACT].iloc[0] if FACT in facts else None
    for latency, spread in pairwise(map(str, table.columns)):
        if not spread.startswith("quartiles_ms") or not table[spread].str.endswith(DOUBT).any():
            continue
        name, device = measurement(latency)
        if latency == own:
            anew = advised("latency", sweep, "--replace", storage=url)
            how = f"{IDLE}, `{anew}` measures the sweep's latencies again"
        elif setting_of(name.removeprefix(LATENCY), device) is not None:
            anew = advised("latency", "import", "FILE", "--replace", storage=url)
            how = f"time it again {IDLE}, and store it with `{anew}`"
        else:
            how = f"{IDLE}, `srsweep export` and `srsweep latency` measure it again"
        yield UNRELIABLE + how
