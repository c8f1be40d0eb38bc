"""Choosing variants: within budgets, one a tier, at the knee, by weights; each with its reason in words.

A variant is an architecture. Its PSNR is the mean over its seeds, and two variants whose PSNR differs by
less than the seeds' spread are called tied.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.pareto import front_mask, knee
from analysis.tables import heading
from searchspace.quantity import format_quantity
from searchspace.spec import nearest
from sweeps.comparable import differences

COMPARABLE = ("scale", "data_fingerprint", "train_data", "training", "step")
"""What trials must share for their validation PSNR to be compared."""
NOT_COSTS = {
    "id",
    "number",
    "seed",
    "step",
    "seconds",
    "attempts",
    "psnr_y",
    "ssim_y",
    "psnr_y_int8",
    "psnr_spread",
    "num_seeds",
    "scale",
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One choice: what was asked for, which variant was taken, and why."""

    rule: str
    """What was asked for, for example 'params <= 150K'."""
    row: int | None
    """Label of the row in the frame of variants; None where nothing qualifies."""
    sentence: str


def variants(trials: pd.DataFrame) -> pd.DataFrame:
    """One row an architecture from the complete trials of load_trials, in order of PSNR, best first.

    psnr_y is the mean over seeds [dB], psnr_spread their pooled standard deviation over all
    architectures that have several (0 where none has), num_seeds their number; number and sweep are
    those of the best seed. Raises ValueError where the trials cannot be compared with one another.
    """
    complete = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    for name in COMPARABLE:
        values = sorted(complete[name].astype(str).unique()) if name in complete else []
        if len(values) > 1:
            raise ValueError(
                f"sweeps: their trials are not comparable, {_difference(name, values)}; "
                "select from one at a time"
            )
    groups = complete.groupby("architecture")["psnr_y"]
    frame = complete.sort_values("psnr_y", ascending=False).drop_duplicates("architecture")
    frame = frame.drop(columns=[n for n in ("state", "error", "attempts", "seed") if n in frame])
    frame["psnr_y"] = frame["architecture"].map(groups.mean())
    frame["num_seeds"] = frame["architecture"].map(groups.size())
    frame["psnr_spread"] = _pooled_spread(groups.var(), groups.size())
    return frame.sort_values("psnr_y", ascending=False, kind="stable").reset_index(drop=True)


def _difference(name: str, values: Sequence[str]) -> str:
    """What differs, in words; of the training only the settings that do."""
    if name != "training":
        return f"{name} differs ({', '.join(values)})"
    pairs = differences(json.loads(values[0]), json.loads(values[1]))
    return "; ".join(f"{path} differs ({old}, {new})" for path, old, new in pairs)


def cost_names(frame: pd.DataFrame) -> list[str]:
    """Columns of `frame` that hold a cost."""
    numeric = frame.select_dtypes("number").columns
    return [n for n in numeric if n not in NOT_COSTS and not n.endswith(("_psnr_y", "_ssim_y"))]


def best_within(
    frame: pd.DataFrame, limits: Mapping[str, float], min_psnr_y: float | None = None
) -> Selection:
    """The variant of highest PSNR whose every cost is within `limits` and whose PSNR is at least that.

    Of equal ones the cheapest in `limits`' first cost. Raises ValueError for an unknown cost.
    """
    _check_costs(frame, limits)
    rule = ", ".join(
        [f"{heading(name)} <= {format_quantity(limit)}" for name, limit in limits.items()]
        + ([f"PSNR >= {min_psnr_y:.2f} dB" if min_psnr_y is not None else ""])
    ).strip(", ")
    fits = pd.Series(True, index=frame.index)
    for name, limit in limits.items():
        fits &= frame[name] <= limit
    if min_psnr_y is not None:
        fits &= frame["psnr_y"] >= min_psnr_y
    rule = rule or "no limit"
    pool = frame[fits]
    if pool.empty:
        return Selection(rule=rule, row=None, sentence=_nothing_fits(frame, rule, limits))
    order = ["psnr_y", next(iter(limits), "params")]
    ranked = pool.sort_values(
        [n for n in order if n in pool], ascending=[False, True][: len(order)]
    )
    reason = f"the highest PSNR of the {_count(len(pool))} with {rule}"
    return _chosen(rule, reason, ranked, int(ranked.index[0]))


def tiers(frame: pd.DataFrame, cost: str, limits: Sequence[float]) -> list[Selection]:
    """The best variant of each tier of `cost`, smallest tier first."""
    return [best_within(frame, {cost: limit}) for limit in sorted(limits)]


def at_knee(frame: pd.DataFrame, cost: str = "params") -> Selection:
    """The variant where the front of PSNR against `cost` bends: beyond it each dB gets dearer."""
    _check_costs(frame, [cost])
    rule = f"knee of PSNR against {heading(cost)}"
    points = np.column_stack([frame["psnr_y"], np.log10(frame[cost].clip(lower=1))])
    index = knee(points, ("maximize", "minimize"))
    if index is None:
        return Selection(rule=rule, row=None, sentence="There is no finished trial to choose from.")
    front = frame[front_mask(points, ("maximize", "minimize"))]
    reason = f"where the front of {_count(len(front))} bends most, PSNR against log {heading(cost)}"
    return _chosen(rule, reason, front, int(frame.index[index]))


def weighted(frame: pd.DataFrame, weights: Mapping[str, float]) -> Selection:
    """The variant nearest to the ideal and farthest from the worst (TOPSIS; Hwang and Yoon 1981).

    `weights` by column, psnr_y among them; PSNR and the logarithms of costs are scaled to [0, 1] over the front
    of these columns, so that dominated variants neither win nor move the scale.
    """
    _check_costs(frame, [name for name in weights if name != "psnr_y"])
    shares = ", ".join(f"{heading(name)} {weight:g}" for name, weight in weights.items())
    rule = f"TOPSIS ({shares})"
    good = np.column_stack(
        [
            frame[n] if n == "psnr_y" else -np.log10(frame[n].clip(lower=1).astype(float))
            for n in weights
        ]
    )
    mask = front_mask(good, ["maximize"] * good.shape[1])
    front, values = frame[mask], good[mask]
    if front.empty:
        return Selection(rule=rule, row=None, sentence="There is no finished trial to choose from.")
    spans = np.ptp(values, axis=0)
    scaled = (values - values.min(axis=0)) / np.where(spans > 0, spans, 1)
    scaled *= np.array(list(weights.values())) / sum(weights.values())
    to_ideal = np.linalg.norm(scaled - scaled.max(axis=0), axis=1)
    to_worst = np.linalg.norm(scaled - scaled.min(axis=0), axis=1)
    closeness = to_worst / np.maximum(to_ideal + to_worst, 1e-12)
    reason = f"nearest to the ideal of the front of {_count(len(front))}, {rule}"
    return _chosen(rule, reason, front, int(front.index[closeness.argmax()]))


def selection_table(frame: pd.DataFrame, selections: Sequence[Selection]) -> pd.DataFrame:
    """One row a selection: rule, number, psnr_y, params, multadds, label, sentence; empty rows kept."""
    rows = []
    for chosen in selections:
        row = row_of(frame, chosen.row) if chosen.row is not None else {}
        names = ("sweep", "number", "psnr_y", "params", "multadds", "label", "architecture")
        rows.append(
            {"rule": chosen.rule} | {n: row.get(n) for n in names} | {"sentence": chosen.sentence}
        )
    result = pd.DataFrame(rows)
    return result.astype({"number": "Int64"}) if "number" in result else result


def _chosen(rule: str, reason: str, pool: pd.DataFrame, row: int) -> Selection:
    taken = row_of(pool, row)
    text = f"Taken: {taken['label']} (trial {taken['number']}), {taken['psnr_y']:.2f} dB, {reason}."
    others = pool.drop(index=row)
    if others.empty:
        return Selection(rule=rule, row=row, sentence=f"{text} Nothing else qualifies.")
    better = others["psnr_y"] > taken["psnr_y"]
    for name in _shown_costs(taken):
        better |= others[name] < taken[name]
    others = others[better]
    if others.empty:
        reason = "All others are no better in PSNR and no cheaper."
        return Selection(rule=rule, row=row, sentence=f"{text} {reason}")
    closest = int((others["psnr_y"] - taken["psnr_y"]).abs().idxmin())
    return Selection(
        rule=rule, row=row, sentence=f"{text} {_against(taken, row_of(others, closest))}"
    )


def row_of(frame: pd.DataFrame, label: Any) -> dict[str, Any]:
    """The row of `frame` called `label`, by column."""
    return {str(name): value for name, value in zip(frame, frame.loc[label], strict=True)}


def _shown_costs(row: Mapping[str, Any]) -> list[str]:
    return [name for name in ("params", "multadds") if name in row]


def _against(taken: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The nearest alternative set against what was taken, in words."""
    gap = float(other["psnr_y"] - taken["psnr_y"])
    spread = float(taken["psnr_spread"])
    tied = abs(gap) <= spread or abs(gap) < 0.005
    if spread and tied:
        verdict = f"the same PSNR within the seeds' spread of {spread:.2f} dB"
    else:
        verdict = "the same PSNR" if tied else f"{abs(gap):.2f} dB {'more' if gap > 0 else 'less'}"
    costs = [_change(name, float(taken[name]), float(other[name])) for name in _shown_costs(taken)]
    return (
        f"Nearest alternative: {other['label']} (trial {other['number']}): {verdict}, "
        f"{', '.join(costs)}."
    )


def _change(name: str, old: float, new: float) -> str:
    noun = heading(name)
    percent = round(100 * (new / old - 1)) if old else 0
    if percent == 0:
        return f"equal {noun}"
    return f"{abs(percent)} % {'more' if percent > 0 else 'fewer'} {noun}"


def _nothing_fits(frame: pd.DataFrame, rule: str, limits: Mapping[str, float]) -> str:
    if frame.empty:
        return "There is no finished trial to choose from."
    smallest = ", ".join(f"{heading(n)} {format_quantity(frame[n].min())}" for n in limits)
    best = f"the highest PSNR is {frame['psnr_y'].max():.2f} dB"
    return (
        f"None of the {_count(len(frame))} has {rule}; the smallest have {smallest or '-'}, {best}."
    )


def _check_costs(frame: pd.DataFrame, names: Sequence[str] | Mapping[str, float]) -> None:
    known = cost_names(frame)
    for name in names:
        if name not in known:
            raise ValueError(f"select: there is no cost called {name!r}; {nearest(name, known)}")


def _count(number: int) -> str:
    return f"{number} variant{'s' if number != 1 else ''}"


def _pooled_spread(variances: "pd.Series[float]", sizes: "pd.Series[int]") -> float:
    """Standard deviation over seeds [dB], pooled over the architectures that have several."""
    several = sizes > 1
    if not several.any():
        return 0.0
    freedom = sizes[several] - 1
    return float(np.sqrt((variances[several] * freedom).sum() / freedom.sum()))
