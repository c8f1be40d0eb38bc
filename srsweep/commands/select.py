"""The command `select`: chooses variants for deployment and explains the choice."""

import math
from collections.abc import Callable, Sequence

import click
import pandas as pd

from analysis.choose.gates import load_gates, within_gates, words_of
from analysis.choose.select import (
    Selection,
    at_knee,
    best_within,
    note_on_spread,
    selection_table,
    tiers,
    weighted,
)
from analysis.choose.variants import cost_name, cost_names, variants
from analysis.choose.words import count_of
from analysis.read.database import QUALITIES
from analysis.read.frames import load_trials
from analysis.tables import Format
from searchspace.errors import UserError
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.quantity import parse_milliseconds, parse_quantity
from srsweep.advice import advised
from srsweep.errors import say
from srsweep.more_training import has_enough, words_on_prospects
from srsweep.options import DATABASE, locate, parts, positive, print_table, tabular
from sweeps.measure.latency_objective import LATENCY


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--max",
    "limits",
    metavar="COST=LIMIT",
    multiple=True,
    help="Upper limit on a cost or on a measured or predicted latency, such as params=150k or "
    "latency=30ms. If there are several latencies, add words from the name of the one you want, as "
    "in 'latency int8=30ms'. The option --csv of `srsweep front` shows the names. "
    "Repeat the option for several limits.",
)
@click.option("--max-params", metavar="N", help="Same as --max params=N.")
@click.option("--max-multadds", metavar="N", help="Same as --max multadds=N.")
@click.option(
    "--min-psnr",
    type=float,
    metavar="DB",
    help="Lower limit on PSNR-Y on the validation images. If there is no limit on costs, the cheapest "
    "variant that reaches "
    "this PSNR is chosen.",
)
@click.option(
    "--tiers",
    "tier_limits",
    metavar="50k,150k",
    help="Limits on the cost that --tier-cost names. For each limit, the best variant within it is chosen.",
)
@click.option("--tier-cost", default="params", show_default=True, help="Cost that --tiers limits.")
@click.option(
    "--knee",
    is_flag=True,
    help="Choose the variant at the bend of the Pareto front of --quality against parameters.",
)
@click.option(
    "--weights",
    metavar="psnr_y=2,params=1",
    help="Choose the variant that the TOPSIS method ranks first, that is, one near the best value of every objective "
    "and far from the worst. The numbers state the importance of each objective.",
)
@click.option(
    "--quality",
    type=click.Choice(QUALITIES),
    default="psnr_y",
    show_default=True,
    help="Quality to maximize. Only trials that were exported to INT8 have psnr_y_int8.",
)
@click.option(
    "--more",
    is_flag=True,
    help="Also estimate how much one more network would enlarge the hypervolume, and at which costs to look for such networks. This takes a few seconds.",
)
@DATABASE
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
    quality: str,
    more: bool,
    db: str | None,
    form: Format | None,
) -> None:
    """Choose variants for deployment and explain the choice.

    Each NAME is the name of a sweep, or a sweep file. If several sweeps trained the same network with
    different seeds, the network counts once, with the mean of its scores. Variants whose scores differ
    by less than the spread between seeds are tied, and the cheapest of the tied variants is chosen.
    A sweep file may set a minimum quality (a gate). Variants below the gate of their sweep are left out.

    \b
    srsweep select NAME --max-params 150k --max-multadds 10G
    srsweep select NAME --tiers 50k,150k,600k
    srsweep select NAME NAME-seed1 NAME-seed2 --knee
    srsweep select NAME --quality psnr_y_int8 --max "latency int8=30ms"
    """
    sweeps, url = locate(names, db)
    _check_more(more, sweeps, form)
    allowed = dict(map(_limit, limits))
    allowed |= {
        cost: positive(f"--max-{cost}", text, parse_quantity)
        for cost, text in (("params", max_params), ("multadds", max_multadds))
        if text is not None
    }
    minimum = _minimum(min_psnr, quality)
    ranks = [positive("--tiers", t, _parser(tier_cost)) for t in parts(tier_limits)]
    shares = _shares(weights, quality)
    trials = load_trials(url, sweeps)
    every = variants(trials, quality)
    gates = load_gates(url, sweeps)
    frame = within_gates(every, gates)
    chosen: list[Selection] = []
    if ranks:
        chosen += tiers(frame, tier_cost, ranks, quality)
    if knee:
        chosen.append(at_knee(frame, quality=quality))
    if shares:
        chosen.append(weighted(frame, shares, quality))
    if allowed or minimum is not None or not chosen:
        chosen.append(best_within(frame, allowed, minimum, quality))
    known = cost_names(frame)
    timed = [name for name in allowed if name.startswith(LATENCY) or name == PREDICTED_LATENCY]
    limited = [cost_name(known, name) for name in timed]
    table = selection_table(frame, chosen, quality, limited)
    if form is not None:
        print_table(table, form)
        return
    print_table(table.drop(columns=["sentence", "spread", "tied", "architecture"]), form)
    for selection in chosen:
        say(f"\n{selection.rule}: {selection.sentence}")
    say(f"\n{note_on_spread(frame, quality)}")
    if below := len(every) - len(frame):
        rules = "; ".join(f"{name}: {words_of(of)}" for name, of in gates.items() if of)
        say(f"{below} of {count_of(len(every))} are below the gate of their sweep ({rules}).")
    _say_prospects(url, sweeps, trials, more=more)


def _check_more(more: bool, sweeps: Sequence[str], form: Format | None) -> None:
    if more and len(sweeps) > 1:
        raise UserError(
            f"--more: needs one sweep, because each has a model of its own, got {len(sweeps)}"
        )
    if more and form is not None:
        raise UserError(f"--more: adds sentences to the table, so it cannot be used with --{form}")


def _say_prospects(url: str, sweeps: Sequence[str], trials: pd.DataFrame, *, more: bool) -> None:
    """If `more`, prints what more training would bring. Otherwise prints how to ask for this, if enough networks are
    complete.
    """
    if more:
        say(words_on_prospects(url, sweeps[0], trials))
    elif len(sweeps) == 1 and has_enough(trials):
        asked = advised("select", sweeps[0], "--more", storage=url)
        say(f"More training: `{asked}` estimates what it would bring.")


def _limit(text: str) -> tuple[str, float]:
    """Returns the name and the limit of 'COST=LIMIT'."""
    name, equals, limit = text.rpartition("=")
    if not equals:
        raise UserError(f"--max: must read COST=LIMIT, such as params=150k, got {text!r}")
    return name, positive(f"--max {name}", limit, _parser(name))


def _parser(cost: str) -> Callable[[str], float]:
    timed = cost.startswith(LATENCY) or cost == PREDICTED_LATENCY
    return parse_milliseconds if timed else parse_quantity


def _minimum(min_psnr: float | None, quality: str) -> float | None:
    if min_psnr is None:
        return None
    if not math.isfinite(min_psnr):
        raise UserError(f"--min-psnr: must be a number of dB, got {min_psnr}")
    if quality == "ssim_y":
        raise UserError("--min-psnr: must be used with a PSNR, got --quality ssim_y")
    return min_psnr


def _shares(weights: str | None, quality: str) -> dict[str, float]:
    """Returns the TOPSIS weights by column. Raises UserError if a quality other than `quality` has a weight."""
    shares = dict(_weight(text) for text in parts(weights))
    for name in shares:
        if name in QUALITIES and name != quality:
            raise UserError(
                f"--weights {name}: must be the quality of --quality, {quality}; write "
                f"{quality}={shares[name]:g} "
                f"or --quality {name}"
            )
    return shares


def _weight(text: str) -> tuple[str, float]:
    """Returns the name and the weight of 'NAME=WEIGHT'."""
    name, _, number = text.rpartition("=")
    if not name:
        raise UserError(f"--weights: must read NAME=WEIGHT, such as psnr_y=2, got {text!r}")
    return name, positive(f"--weights {name}", number, parse_quantity)
