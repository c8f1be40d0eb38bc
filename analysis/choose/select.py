"""Chooses variants: within budgets, one per tier, at the knee, or by weights. Each choice gives its reason.

Every rule treats tied variants (`analysis.choose.variants`) as equally good and chooses the cheapest of them. A
difference that another seed might reverse is not worth a single parameter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.choose.pareto import knee
from analysis.choose.variants import (
    coarse_front,
    cost_name,
    cost_names,
    log_cost,
    spread_of,
)
from analysis.choose.words import alternative, count_of, noun_of, row_of, rules_of, value_of
from analysis.tables import heading, with_spreads
from searchspace.quantity import format_quantity

ONLY = "is the only variant"
"""The beginning of the reason for a variant that is the only candidate."""
ONLY_ON_FRONT = f"{ONLY} on the front"
"""The beginning of the reason for a variant that is the only one on the front."""
SHOWN_TIES = 3
"""Maximum number of tied variants that the reason for a choice lists by name."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The variant that one rule chooses, with the reason."""

    rule: str
    """The rule in words, for example 'parameters <= 150K'."""
    row: int | None
    """Index label of the chosen variant's row in the data frame of variants. None if no variant qualifies."""
    sentence: str
    """The reason for the choice, or the reason why no variant qualifies. It may be several sentences."""
    tied: tuple[str, ...] = ()
    """References (SWEEP#NUMBER) of the other variants that are tied with the chosen variant, the cheapest first."""


def best_within(
    frame: pd.DataFrame,
    limits: Mapping[str, float],
    minimum: float | None = None,
    quality: str = "psnr_y",
) -> Selection:
    """Chooses the best variant whose costs are within `limits` and whose quality is at least `minimum`.

    Among variants that are tied with the best, it chooses the cheapest. It compares costs in this order: those named in
    `limits`, then parameters, then Mult-Adds. With a minimum and no limits, it chooses the cheapest variant that
    reaches the minimum. Raises UserError for an unknown cost.
    """
    known = cost_names(frame)
    limits = {cost_name(known, name): limit for name, limit in limits.items()}
    rules = rules_of(limits)
    rules += [f"{noun_of(quality)} >= {value_of(quality, minimum)}"] if minimum is not None else []
    rule = ", ".join(rules) or "no limit"
    condition = f" with {rule}" if rules else ""
    measured, left_out = _measured(frame, [quality, *limits])
    fits = pd.Series(True, index=measured.index)
    for name, limit in limits.items():
        fits &= measured[name] <= limit
    fits &= measured[quality] >= (-np.inf if minimum is None else minimum)
    pool = measured[fits]
    if pool.empty:
        sentence = _nothing_fits(frame, measured, rule, limits, quality) + left_out
        return Selection(rule=rule, row=None, sentence=sentence)
    costs = _cheapness(pool, limits)
    if minimum is not None and not limits:
        row = _cheapest(pool, costs, quality)
        reason = f"has the fewest {heading(costs[0])} of the {count_of(len(pool))}{condition}"
        reason = f"{ONLY}{condition}" if len(pool) == 1 else reason
        return _chosen(rule, reason, pool, row, quality, left_out)
    best = pool[quality].max()
    tied = pool[pool[quality] >= best - spread_of(frame)]
    row = _cheapest(tied, costs, quality)
    reason = f"has the highest {noun_of(quality)} of the {count_of(len(pool))}{condition}"
    if len(pool) == 1:
        reason = f"{ONLY}{condition}"
    elif pool.loc[row, quality] < best:
        reason = (
            f"is the cheapest of {len(tied)} that are tied with the highest {noun_of(quality)} "
            f"({value_of(quality, best)}) of the {count_of(len(pool))}{condition}"
        )
    return _chosen(rule, reason, pool, row, quality, left_out)


def tiers(
    frame: pd.DataFrame, cost: str, limits: Sequence[float], quality: str = "psnr_y"
) -> list[Selection]:
    """Chooses the best variant within each of `limits` on `cost`, the smallest limit first."""
    return [best_within(frame, {cost: limit}, quality=quality) for limit in sorted(set(limits))]


def at_knee(frame: pd.DataFrame, cost: str = "params", quality: str = "psnr_y") -> Selection:
    """Chooses the variant at which the front of quality against `cost` bends most.

    Beyond this knee, each further dB costs more than before. The front comes from `coarse_front`, which drops steps
    smaller than the seeds' spread. Raises UserError for an unknown cost.
    """
    cost = cost_name(cost_names(frame), cost)
    rule = f"knee of {noun_of(quality)} against {heading(cost)}"
    measured, left_out = _measured(frame, [quality, cost])
    if measured.empty:
        return Selection(rule=rule, row=None, sentence=_nothing(frame) + left_out)
    front = coarse_front(measured, quality, [cost])
    index = knee(np.column_stack([front[quality], log_cost(front[cost])]), ("maximize", "minimize"))
    assert index is not None
    reason = (
        ONLY_ON_FRONT
        if len(front) == 1
        else f"is where the front of {count_of(len(front))}{_apart(frame)} bends most, in {noun_of(quality)} against "
        f"the logarithm of {heading(cost)}"
    )
    return _chosen(rule, reason, front, int(front.index[index]), quality, left_out, measured)


def weighted(
    frame: pd.DataFrame, weights: Mapping[str, float], quality: str = "psnr_y"
) -> Selection:
    """Chooses the variant nearest to the ideal point and farthest from the worst (TOPSIS; Hwang and Yoon 1981).

    `weights` maps column names to weights, and one of the names is `quality`. The candidates are the variants that
    `coarse_front` returns for these columns. The quality and the logarithm of each cost are scaled so that the
    candidates span [0, 1], and then weighted. Raises UserError for an unknown cost.
    """
    known = cost_names(frame)
    weights = {n if n == quality else cost_name(known, n): w for n, w in weights.items()}
    costs = [name for name in weights if name != quality]
    shares = ", ".join(f"{heading(name)} {weight:g}" for name, weight in weights.items())
    rule = f"TOPSIS ({shares})"
    measured, left_out = _measured(frame, [quality, *costs])
    if measured.empty:
        return Selection(rule=rule, row=None, sentence=_nothing(frame) + left_out)
    front = coarse_front(measured, quality, costs or ["params"])
    good = np.column_stack([front[n] if n == quality else -log_cost(front[n]) for n in weights])
    spans = np.ptp(good, axis=0)
    scaled = (good - good.min(axis=0)) / np.where(spans > 0, spans, 1)
    scaled *= np.array(list(weights.values())) / sum(weights.values())
    to_ideal = np.linalg.norm(scaled - scaled.max(axis=0), axis=1)
    to_worst = np.linalg.norm(scaled - scaled.min(axis=0), axis=1)
    closeness = to_worst / np.maximum(to_ideal + to_worst, 1e-12)
    row = int(front.index[closeness.argmax()])
    reason = (
        ONLY_ON_FRONT
        if len(front) == 1
        else f"is nearest to the ideal on the front of {count_of(len(front))}{_apart(frame)}, by {rule}"
    )
    return _chosen(rule, reason, front, row, quality, left_out, measured)


def selection_table(
    frame: pd.DataFrame,
    selections: Sequence[Selection],
    quality: str = "psnr_y",
    latencies: Sequence[str] = (),
) -> pd.DataFrame:
    """Returns one row per selection: its rule, the columns of its variant, the tied variants and its sentence.

    `latencies` names columns of `frame` to add, each with its quartiles if they are known. If a selection found no
    variant, only its rule and its sentence are filled in.
    """
    frame, timed = with_spreads(frame, latencies)
    names = ["sweep", "number", quality, "psnr_y", "num_seeds", "spread", *timed]
    names += ["params", "multadds"]
    rows = []
    for chosen in selections:
        row = row_of(frame, chosen.row) if chosen.row is not None else {}
        told = {n: row.get(n) for n in dict.fromkeys([*names, "label", "architecture"])}
        said = {"tied": " ".join(chosen.tied), "sentence": chosen.sentence}
        rows.append({"rule": chosen.rule} | told | said)
    result = pd.DataFrame(rows)
    return result.astype({"number": "Int64", "num_seeds": "Int64"}) if rows else result


def note_on_spread(frame: pd.DataFrame, quality: str = "psnr_y") -> str:
    """Returns sentences that give the seeds' spread, if it is known, and explain which variants count as tied."""
    several = int((frame["num_seeds"] > 1).sum()) if len(frame) else 0
    if several:
        return (
            f"The seeds' spread is {value_of(quality, spread_of(frame))} (one standard deviation, from "
            f"{count_of(several)} with several seeds). Variants that are closer count as tied, and the cheapest of "
            "them is chosen."
        )
    return (
        "No variant has several seeds, so the seeds' spread is unknown. No variants count as tied, and small "
        "differences may be noise."
    )


def _measured(frame: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Returns the variants that have a value in all columns `names`, and a sentence about the variants left out."""
    columns = list(dict.fromkeys(names))
    known = frame[columns].notna()
    left_out = "".join(
        f" The choice leaves out {int((~known[name]).sum())} of {count_of(len(frame))} without {heading(name)}."
        for name in columns
        if not known[name].all()
    )
    return frame[known.all(axis=1)], left_out


def _cheapness(frame: pd.DataFrame, first: Mapping[str, float]) -> list[str]:
    """Returns the costs by which tied variants are sorted, the most important cost first."""
    return [n for n in dict.fromkeys([*first, "params", "multadds"]) if n in frame]


def _cheapest(frame: pd.DataFrame, costs: Sequence[str], quality: str) -> int:
    order = frame.sort_values(
        [*costs, quality], ascending=[True] * len(costs) + [False], kind="stable"
    )
    return int(order.index[0])


def _chosen(
    rule: str,
    reason: str,
    pool: pd.DataFrame,
    row: int,
    quality: str,
    left_out: str,
    ties_among: pd.DataFrame | None = None,
) -> Selection:
    """Returns the selection of the variant at `row`. Its sentence compares the variant with the rest of `pool`.

    The tied variants come from `ties_among`, or from `pool` if `ties_among` is None.
    """
    taken = row_of(pool, row)
    others = pool.drop(index=row)
    candidates = (pool if ties_among is None else ties_among).drop(index=row)
    gaps = (candidates[quality] - taken[quality]).abs()
    tied = candidates[gaps <= spread_of(pool)].sort_values(_cheapness(pool, {}))["reference"]
    text = f"{taken['label']} ({taken['reference']}, {value_of(quality, taken[quality])}) {reason}."
    text += _below_bicubic(taken, quality)
    told = "" if reason.startswith(ONLY) else alternative(taken, others, quality)
    sentence = text + _ties(list(tied)) + told + left_out
    return Selection(rule=rule, row=row, sentence=sentence, tied=tuple(tied))


def _below_bicubic(taken: Mapping[str, Any], quality: str) -> str:
    """Returns a warning if bicubic upscaling reaches a higher PSNR on the same images, otherwise ''."""
    measure = "psnr_y" if quality in ("ssim_y", "psnr_rgb") else quality
    return below_bicubic(
        noun_of(measure), float(taken[measure]), float(taken.get("bicubic", float("nan")))
    )


def below_bicubic(noun: str, psnr: float, bicubic: float) -> str:
    """Returns a warning if a network's `psnr` [dB] is below the PSNR of `bicubic` on the same images, otherwise ''.

    `noun` names the PSNR in the warning. The warning begins with a space, so that it can follow another sentence.
    """
    if not psnr < bicubic:  # also when one of them is NaN
        return ""
    gap = bicubic - psnr
    told = f"{gap:.2f} dB" if gap >= 0.005 else "less than 0.005 dB"
    return (
        f" Worse than bicubic: its {noun} is {told} below bicubic's {bicubic:.2f} dB "
        "on the same images."
    )


def _ties(references: Sequence[str]) -> str:
    if not references:
        return ""
    shown = ", ".join(references[:SHOWN_TIES])
    more = len(references) - SHOWN_TIES
    return f" It is tied with {shown}" + (f" and {more} more." if more > 0 else ".")


def _apart(frame: pd.DataFrame) -> str:
    spread = spread_of(frame)
    return " that differ by more than the seeds' spread" if spread > 0 else ""


def _nothing(frame: pd.DataFrame) -> str:
    """Returns a sentence that explains why there would be no variant to choose from even without limits."""
    if frame.empty:
        return "There is no complete trial to choose from."
    return (
        "No variant has all the measurements that this choice needs. `srsweep export` and `srsweep latency` "
        "make them."
    )


def _nothing_fits(
    frame: pd.DataFrame,
    measured: pd.DataFrame,
    rule: str,
    limits: Mapping[str, float],
    quality: str,
) -> str:
    if measured.empty:
        return _nothing(frame)
    least = [
        f"the minimum for {heading(n)} is {format_quantity(measured[n].min())}" for n in limits
    ]
    best = f"the highest {noun_of(quality)} is {value_of(quality, measured[quality].max())}"
    return f"None of the {count_of(len(measured))} has {rule}: {', '.join([*least, best])}."
