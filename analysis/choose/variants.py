"""Variants: the architectures of one or several sweeps, each averaged over its seeds.

A variant's quality (PSNR, SSIM, PSNR after INT8) is the mean over its seeds. When a seed was run several times, the
newest run counts. The spread says how much trainings of the same architecture differ: it is the standard deviation
over seeds, pooled over all architectures that have several. Variants whose qualities are closer than the spread are
tied.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.choose.pareto import front_mask
from analysis.read.database import LATENCY, QUALITIES
from searchspace.cost import COSTS
from searchspace.errors import UserError
from searchspace.spec import nearest
from sweeps.store.comparability import differences

COMPARABLE = ("scale", "data_fingerprint", "train_data", "training", "step")
"""Columns in which trials must agree before their validation PSNR may be compared."""
OF_TRIALS = ("state", "error", "attempts", "seed")
"""Columns of load_trials that describe one trial and are left out of a variant."""


def variants(trials: pd.DataFrame, quality: str = "psnr_y") -> pd.DataFrame:
    """Returns one row per architecture from the complete trials of load_trials, the best `quality` first.

    Architectures without `quality` come last. Each quality is the mean over the distinct seeds that have it. A cost
    that was measured for some seeds only holds for all of them. The added columns are

    - num_seeds: how many seeds have `quality`,
    - spread: the pooled standard deviation over seeds, in the unit of `quality`; NaN if no architecture has several,
    - sweep, number and reference ('SWEEP#NUMBER'): the trial of the best seed,
    - bicubic: the PSNR of bicubic on the validation images [dB]; NaN if unknown.

    Raises UserError if the trials cannot be compared with one another.
    """
    if quality not in QUALITIES:
        raise UserError(f"quality: must be one of {', '.join(QUALITIES)}, got {quality!r}")
    if trials.empty:  # no cost is stored yet, but a person may name one all the same
        trials = trials.assign(**dict.fromkeys(COSTS, float("nan")))
    complete = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    _refuse_incomparable(complete)
    if quality not in complete:
        complete = complete.assign(**{quality: float("nan")})
    complete = _one_run_a_seed(complete, quality)
    ordered = complete.sort_values(quality, ascending=False, kind="stable")
    groups = ordered.groupby("architecture")
    frame = ordered.drop_duplicates("architecture")
    frame = frame.drop(columns=[n for n in OF_TRIALS if n in frame]).set_index("architecture")
    for name in cost_names(frame):
        frame[name] = groups[name].first()  # the first that is not NaN
    for name in (n for n in QUALITIES if n in frame):
        frame[name] = groups[name].mean()
    frame["num_seeds"] = groups[quality].count()
    frame["spread"] = _pooled_spread(groups[quality].var(), groups[quality].count())
    frame["reference"] = [f"{s}#{n}" for s, n in zip(frame["sweep"], frame["number"], strict=True)]
    frame["bicubic"] = complete["bicubic"].max() if "bicubic" in complete else float("nan")
    frame = frame.sort_values(quality, ascending=False, kind="stable")
    return frame.reset_index()


def _one_run_a_seed(complete: pd.DataFrame, quality: str) -> pd.DataFrame:
    """Returns the newest run of each architecture and seed, preferring runs that have `quality`.

    Measurements that this run lacks come from the others. A second run of one seed must not count as a second seed:
    it says nothing about how seeds differ.
    """
    keys = ["architecture", "seed"]
    if not complete.duplicated(keys).any():
        return complete
    newest = complete.assign(has_quality=complete[quality].notna())
    newest = newest.sort_values(["has_quality", "id"], ascending=False)
    names = [n for n in (*QUALITIES, *cost_names(complete)) if n in complete]
    newest[names] = newest.groupby(keys)[names].bfill()
    return newest.drop_duplicates(keys).drop(columns="has_quality").sort_index()


def _refuse_incomparable(complete: pd.DataFrame) -> None:
    for name in COMPARABLE:
        values = sorted(complete[name].astype(str).unique()) if name in complete else []
        if len(values) > 1:
            raise UserError(
                f"sweeps: their trials must be comparable, but {_difference(name, values)}; "
                "choose from one sweep at a time"
            )


def _difference(name: str, values: Sequence[str]) -> str:
    """Says what differs. For the training it names only the settings that differ."""
    if name != "training":
        return f"{name} differs ({', '.join(values)})"
    pairs = differences(json.loads(values[0]), json.loads(values[1]))
    return "; ".join(f"{path} differs ({old}, {new})" for path, old, new in pairs)


def _pooled_spread(variances: "pd.Series[float]", sizes: "pd.Series[int]") -> float:
    """Returns the standard deviation over seeds, pooled over the architectures with several. NaN if there are none."""
    several = sizes > 1
    if not several.any():
        return float("nan")
    freedom = sizes[several] - 1
    return float(np.sqrt((variances[several] * freedom).sum() / freedom.sum()))


def spread_of(frame: pd.DataFrame) -> float:
    """Returns the seeds' spread of these variants. Returns 0 if it is unknown, so that only equal ones are tied."""
    known = frame["spread"].iloc[0] if len(frame) else float("nan")
    return 0.0 if pd.isna(known) else float(known)


def cost_names(frame: pd.DataFrame) -> list[str]:
    """Returns the columns of `frame` that hold a cost or a measured latency."""
    return [str(n) for n in frame if n in COSTS or str(n).startswith(LATENCY)]


def cost_name(known: Sequence[str], name: str) -> str:
    """Returns the column among the `known` costs that a person calls `name`.

    'latency' stands for the only latency that was measured. If there are several, add words that occur in one of them
    alone, as in 'latency int8'. Raises UserError if no column fits or several do.
    """
    if name in known:
        return name
    first, *words = name.split() or [""]
    timed = [column for column in known if column.startswith(LATENCY)]
    if first == "latency" and timed:
        found = [column for column in timed if all(word in column for word in words)]
        if len(found) == 1:
            return found[0]
        raise UserError(
            f"{name}: must name one measured latency, as in 'latency int8'; there are: "
            + "; ".join(timed)
        )
    if first.startswith("latency"):
        raise UserError(
            f"{name}: no such latency was measured; `srsweep export SWEEP#NUMBER` and `srsweep latency` measure one"
        )
    raise UserError(f"there is no cost called {name!r}; {nearest(name, known)}")


def coarse_front(frame: pd.DataFrame, quality: str, costs: Sequence[str]) -> pd.DataFrame:
    """Returns the Pareto front of `quality` against `costs` without the variants that a cheaper, tied one replaces.

    Variants are visited from the cheapest to the most expensive. One is kept if it beats every kept variant that costs
    no more by more than the spread. If the spread is unknown, the result is the Pareto front itself, with one of each
    set of equal variants.
    """
    logs = np.column_stack([log_cost(frame[name]) for name in costs])
    points = np.column_stack([frame[quality], logs])
    front = np.flatnonzero(front_mask(points, ["maximize", *["minimize"] * len(costs)]))  # type: ignore[list-item]
    order = front[np.lexsort((-points[front, 0], logs[front].sum(axis=1)))]
    spread, kept = spread_of(frame), np.empty((0, points.shape[1]))
    chosen = []
    for index in order:
        cheaper = (kept[:, 1:] <= points[index, 1:]).all(axis=1)
        if not (kept[cheaper, 0] >= points[index, 0] - spread).any():
            kept = np.vstack([kept, points[index]])
            chosen.append(index)
    return frame.iloc[sorted(chosen)]


def log_cost(cost: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Returns decimal logarithms of costs. A cost of 0 counts as the smallest cost above 0."""
    values = cost.to_numpy(float)
    positive = values[values > 0]
    return np.log10(np.maximum(values, positive.min() if len(positive) else 1.0))
