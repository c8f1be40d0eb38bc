"""The command `ntire`: ranks the variants of a sweep by NTIRE's efficiency score."""

import click
import pandas as pd

from analysis.choose.gates import common_gates, load_gates
from analysis.choose.ntire import GATE, ranking
from analysis.choose.variants import cost_name, cost_names, variants
from analysis.published.challenges import challenge_table
from analysis.read.frames import load_trials
from analysis.tables import Format
from searchspace.cost import costs
from searchspace.errors import UserError
from srsweep.advice import advised
from srsweep.errors import say
from srsweep.latency_anew import KEY, latency_under
from srsweep.options import DATABASE, RealRange, locate, print_table, tabular
from sweeps.measure.ntire import CHALLENGES, Use, scores
from sweeps.search.gates import least_of


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option(
    "--year",
    type=click.Choice([str(year) for year in CHALLENGES]),
    default=str(max(CHALLENGES)),
    show_default=True,
    help="Year of the challenge, which sets the baseline and the weights.",
)
@click.option(
    "--gate",
    type=RealRange(min=0),
    default=None,
    metavar="DB",
    help="Minimum RGB PSNR on the sweep's validation images. Variants below it are not ranked. "
    "Default: the minimum psnr_rgb that the sweep files set (their gate). If the sweeps set no gate, the "
    f"challenge's limit of {GATE:.2f} dB is used. That limit was set for other images and may not "
    "suit yours.",
)
@click.option(
    "--latency",
    default="latency",
    show_default=True,
    help="The latency that counts as running time. If there are several latencies, add words from the "
    "name of the one you want, as in 'latency torch'.",
)
@click.option(
    "--published",
    is_flag=True,
    help="Instead of ranking sweeps, print the challenge's own table, with scores, for the year given by --year.",
)
@DATABASE
@tabular
def ntire(  # noqa: PLR0913 - one parameter an option
    names: tuple[str, ...],
    year: str,
    gate: float | None,
    latency: str,
    published: bool,
    db: str | None,
    form: Format | None,
) -> None:
    """Rank the variants of a sweep by NTIRE's efficiency score.

    Each NAME is the name of a sweep, or a sweep file. With --published, leave NAME out. Only complete trials with a
    measured latency in torch are ranked. A sweep measures this latency if it is an objective or in the budget.
    Otherwise use `srsweep latency`.

    The score is a weighted sum of three terms exp(2 * r), one each for the running time, the Mult-Adds and the
    parameters. In each term, r is the value of the network divided by that of the baseline. A lower score is better, and the baseline scores 7.39.
    The baseline is timed when you run this command, with the sweep's latency settings. This machine must be of the same
    kind as the machine on which the sweep's latencies were measured.

    \b
    srsweep ntire NAME --gate 28.5
    srsweep ntire NAME --year 2025
    srsweep ntire --published
    """
    if published:
        if names:
            raise UserError("--published: must be used without NAME")
        print_table(challenge_table(int(year), GATE if gate is None else gate), form)
        return
    if not names:
        raise UserError("NAME: must name a sweep, or give --published")
    sweeps, url = locate(names, db)
    challenge = CHALLENGES[int(year)]
    if gate is None:
        own = least_of(common_gates(load_gates(url, sweeps).values()))
        gate = own.get("psnr_rgb", GATE)
    frame = variants(load_trials(url, sweeps))
    column = _column(frame, latency, sweeps, url)
    scale = int(frame["scale"].iloc[0])
    known = costs(challenge.baseline, scale)
    measured = latency_under(column, challenge.baseline.network(scale), "ntire")
    base = Use(latency=measured.median, multadds=known["multadds"], params=known["params"])
    table = ranking(frame, column, base, challenge, gate)
    row = {"trial": "baseline", "label": challenge.baseline.label, "latency_ms": base.latency}
    row |= {"multadds": base.multadds, "params": base.params} | scores(base, base, challenge)
    print_table(pd.concat([table, pd.DataFrame([row])], ignore_index=True), form)
    below = int((frame["psnr_rgb"] < gate).sum())
    unknown = int(frame["psnr_rgb"].isna().sum())
    untimed = int(frame[column].isna().sum())
    if form is None:
        say(
            f"\nNTIRE {year}: {len(table)} of {len(frame)} variants are ranked; {below} are below "
            f"the gate of {gate:g} dB of RGB"
            + (f", {unknown} were trained before it was stored" if unknown else "")
            + f" and {untimed} have no latency. Running time: {column}."
        )
    if measured.doubt:
        click.echo(f"unreliable: the latency of the baseline: {measured.doubt}", err=True)


def _column(frame: pd.DataFrame, latency: str, sweeps: list[str], url: str) -> str:
    """Returns the column of the latency in torch that `latency` means.

    Only a latency in torch can be measured for the baseline too. Raises UserError if no complete trial has one, or if
    `latency` fits none or several.
    """
    timed = [
        each for each in cost_names(frame) if KEY.fullmatch(each) and frame[each].notna().any()
    ]
    if not timed:
        first = f"{sweeps[0]}#0" if frame.empty else str(frame["reference"].iloc[0])
        wanted = advised("latency", first, storage=url)
        raise UserError(
            f"{sweeps[0]}: no complete trial has a latency in torch, which the baseline needs too; `{wanted}` measures one"
        )
    try:
        return cost_name(timed, latency)
    except UserError as error:
        raise UserError(f"--latency: {error}") from None
