"""Choosing variants: within budgets, one a tier, at the knee, by weights; each with its reason in words.

Every rule treats variants that are tied (`analysis.choose.variants`) as equally good and takes the cheapest of them:
a difference that another seed may turn round is not worth a parameter.
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
from analysis.tables import heading
from searchspace.quantity import format_quantity

SHOWN_TIES = 3
"""Tied variants that a sentence names."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One choice: what was asked for, which variant was taken, and why."""

    rule: str
    """What was asked for, for example 'params <= 150K'."""
    row: int | None
    """Label of the row in the frame of variants; None where nothing qualifies."""
    sentence: str
    tied: tuple[str, ...] = ()
    """SWEEP#NUMBER of the other variants that qualify and are tied with it, the cheapest first."""


def best_within(
    frame: pd.DataFrame,
    limits: Mapping[str, float],
    minimum: float | None = None,
    quality: str = "psnr_y",
) -> Selection:
    """The variant of highest quality whose every cost is within `limits` and whose quality is at least `minimum`.

    Of those tied with the highest the cheapest: in `limits`' costs in their order, then in parameters and
    Mult-Adds. With a minimum and no limits the cheapest that reaches it. Raises ValueError for an unknown cost.
    """
    known = cost_names(frame)
    limits = {cost_name(known, name): limit for name, limit in limits.items()}
    rules = [f"{heading(name)} <= {format_quantity(limit)}" for name, limit in limits.items()]
    rules += [f"{_noun(quality)} >= {_value(quality, minimum)}"] if minimum is not None else []
    rule = ", ".join(rules) or "no limit"
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
        reason = f"the fewest {heading(costs[0])} of the {_count(len(pool))} with {rule}"
        return _chosen(rule, reason, pool, row, quality, left_out)
    best = pool[quality].max()
    tied = pool[pool[quality] >= best - spread_of(frame)]
    row = _cheapest(tied, costs, quality)
    reason = f"the highest {_noun(quality)} of the {_count(len(pool))} with {rule}"
    if pool.loc[row, quality] < best:
        reason = (
            f"the cheapest of {len(tied)} that are tied with the highest {_noun(quality)} "
            f"({_value(quality, best)}) of the {_count(len(pool))} with {rule}"
        )
    return _chosen(rule, reason, pool, row, quality, left_out)


def tiers(
    frame: pd.DataFrame, cost: str, limits: Sequence[float], quality: str = "psnr_y"
) -> list[Selection]:
    """The best variant of each tier of `cost`, smallest tier first."""
    return [best_within(frame, {cost: limit}, quality=quality) for limit in sorted(set(limits))]


def at_knee(frame: pd.DataFrame, cost: str = "params", quality: str = "psnr_y") -> Selection:
    """The variant where the front of quality against `cost` bends: beyond it each dB gets dearer.

    The front is the coarse one: steps that are smaller than the spread are none.
    """
    cost = cost_name(cost_names(frame), cost)
    rule = f"knee of {_noun(quality)} against {heading(cost)}"
    measured, left_out = _measured(frame, [quality, cost])
    if measured.empty:
        return Selection(rule=rule, row=None, sentence=_nothing(frame) + left_out)
    front = coarse_front(measured, quality, [cost])
    index = knee(np.column_stack([front[quality], log_cost(front[cost])]), ("maximize", "minimize"))
    assert index is not None
    reason = (
        f"where the front of {_count(len(front))}{_apart(frame)} bends most, {_noun(quality)} against "
        f"log {heading(cost)}"
    )
    return _chosen(rule, reason, front, int(front.index[index]), quality, left_out, measured)


def weighted(
    frame: pd.DataFrame, weights: Mapping[str, float], quality: str = "psnr_y"
) -> Selection:
    """The variant nearest to the ideal and farthest from the worst (TOPSIS; Hwang and Yoon 1981).

    `weights` by column, `quality` among them; quality and the logarithms of costs are scaled to [0, 1] over the
    coarse front of these columns, so that dominated and undercut variants neither win nor move the scale.
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
    reason = f"nearest to the ideal of the front of {_count(len(front))}{_apart(frame)}, {rule}"
    return _chosen(rule, reason, front, row, quality, left_out, measured)


def selection_table(
    frame: pd.DataFrame, selections: Sequence[Selection], quality: str = "psnr_y"
) -> pd.DataFrame:
    """One row a selection: rule, the variant's columns, whom it is tied with, sentence; empty rows kept."""
    names = ["sweep", "number", quality, "psnr_y", "num_seeds", "spread", "params", "multadds"]
    rows = []
    for chosen in selections:
        row = row_of(frame, chosen.row) if chosen.row is not None else {}
        told = {n: row.get(n) for n in dict.fromkeys([*names, "label", "architecture"])}
        said = {"tied": " ".join(chosen.tied), "sentence": chosen.sentence}
        rows.append({"rule": chosen.rule} | told | said)
    result = pd.DataFrame(rows)
    return result.astype({"number": "Int64", "num_seeds": "Int64"}) if rows else result


def note_on_spread(frame: pd.DataFrame, quality: str = "psnr_y") -> str:
    """What the seeds' spread is, or that it is unknown, in one sentence."""
    if spread_of(frame) > 0:
        several = int((frame["num_seeds"] > 1).sum())
        return (
            f"The seeds' spread is {_value(quality, spread_of(frame))} (one standard deviation, "
            f"{_count(several)} with several seeds): what is closer is tied, and the cheaper is taken."
        )
    return (
        "No variant has several seeds, so the seeds' spread is unknown: nothing is called tied, and small "
        "differences may be noise."
    )


def row_of(frame: pd.DataFrame, label: Any) -> dict[str, Any]:
    """The row of `frame` called `label`, by column."""
    return {str(name): value for name, value in zip(frame, frame.loc[label], strict=True)}


def _measured(frame: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """The variants that have all of these columns, and a sentence about those that have not."""
    parts = []
    for name in dict.fromkeys(names):
        lacking = int(frame[name].isna().sum())
        if lacking:
            parts.append(f"{lacking} of {_count(len(frame))} without {heading(name)}")
    left_out = f" Left out: {'; '.join(parts)}." if parts else ""
    return frame[frame[list(dict.fromkeys(names))].notna().all(axis=1)], left_out


def _cheapness(frame: pd.DataFrame, first: Mapping[str, float]) -> list[str]:
    """The costs by which tied variants are ordered."""
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
    """The choice of `row`, explained against the rest of `pool`; ties are looked for in `ties_among`, or there."""
    taken = row_of(pool, row)
    others = pool.drop(index=row)
    candidates = (pool if ties_among is None else ties_among).drop(index=row)
    gaps = (candidates[quality] - taken[quality]).abs()
    tied = candidates[gaps <= spread_of(pool)].sort_values(_cheapness(pool, {}))["reference"]
    text = f"Taken: {_named(taken)}, {_value(quality, taken[quality])}, {reason}."
    text += _below_bicubic(taken, quality)
    sentence = text + _ties(list(tied)) + _alternative(taken, others, quality) + left_out
    return Selection(rule=rule, row=row, sentence=sentence, tied=tuple(tied))


def _below_bicubic(taken: Mapping[str, Any], quality: str) -> str:
    """A warning where plain bicubic enlargement of the same images has the higher PSNR."""
    measure = "psnr_y" if quality == "ssim_y" else quality
    return below_bicubic(
        _noun(measure), float(taken[measure]), float(taken.get("bicubic", float("nan")))
    )


def below_bicubic(noun: str, psnr: float, bicubic: float) -> str:
    """The warning that `psnr` [dB] is below `bicubic` on the same images, with a blank before it; otherwise ''."""
    if not psnr < bicubic:  # never of a NaN
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
    return f" Tied with it: {shown}" + (f" and {more} more." if more > 0 else ".")


def _alternative(taken: Mapping[str, Any], others: pd.DataFrame, quality: str) -> str:
    if others.empty:
        return " Nothing else qualifies."
    better = others[quality] > taken[quality]
    for name in _shown_costs(taken):
        better |= others[name] < taken[name]
    others = others[better]
    if others.empty:
        return f" All others are no better in {_noun(quality)} and no cheaper."
    closest = (others[quality] - taken[quality]).abs().idxmin()
    return f" {_against(taken, row_of(others, closest), quality)}"


def _against(taken: Mapping[str, Any], other: Mapping[str, Any], quality: str) -> str:
    """The nearest alternative set against what was taken, in words."""
    gap = float(other[quality] - taken[quality])
    if abs(gap) <= float(taken["spread"]):  # never of a NaN
        verdict = f"the same {_noun(quality)} within the seeds' spread of {_value(quality, taken['spread'])}"
    elif _value(quality, abs(gap)) == _value(quality, 0):
        verdict = f"the same {_noun(quality)}"
    else:
        verdict = f"{_value(quality, abs(gap))} {'more' if gap > 0 else 'less'}"
    costs = [_change(name, float(taken[name]), float(other[name])) for name in _shown_costs(taken)]
    return f"Nearest alternative: {_named(other)}: {', '.join([verdict, *costs])}."


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['label']} ({row['reference']})"


def _shown_costs(row: Mapping[str, Any]) -> list[str]:
    return [name for name in ("params", "multadds") if name in row]


def _change(name: str, old: float, new: float) -> str:
    noun = heading(name)
    percent = round(100 * (new / old - 1)) if old else 0
    if percent == 0:
        return f"equal {noun}"
    return f"{abs(percent)} % {'more' if percent > 0 else 'fewer'} {noun}"


def _noun(quality: str) -> str:
    return {"psnr_y": "PSNR", "ssim_y": "SSIM", "psnr_y_int8": "PSNR after INT8"}[quality]


def _value(quality: str, value: float) -> str:
    return f"{value:.4f}" if quality == "ssim_y" else f"{value:.2f} dB"


def _apart(frame: pd.DataFrame) -> str:
    spread = spread_of(frame)
    return " that differ by more than the seeds' spread" if spread > 0 else ""


def _nothing(frame: pd.DataFrame) -> str:
    """Why there is nothing to choose from, before any limit."""
    if frame.empty:
        return "There is no finished trial to choose from."
    return "No variant has all that was asked for measured (`srsweep export` and `srsweep latency` do)."


def _nothing_fits(
    frame: pd.DataFrame,
    measured: pd.DataFrame,
    rule: str,
    limits: Mapping[str, float],
    quality: str,
) -> str:
    if measured.empty:
        return _nothing(frame)
    smallest = ", ".join(f"{heading(n)} {format_quantity(measured[n].min())}" for n in limits)
    best = f"the highest {_noun(quality)} is {_value(quality, measured[quality].max())}"
    least = f"the smallest have {smallest}, " if limits else ""
    return f"None of the {_count(len(measured))} has {rule}; {least}{best}."


def _count(number: int) -> str:
    return f"{number} variant{'s' if number != 1 else ''}"
