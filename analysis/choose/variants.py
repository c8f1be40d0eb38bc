"""Variants: the architectures of one or several sweeps, seeds averaged, with what their quality may vary by.

A variant's quality (PSNR, SSIM, PSNR after INT8) is the mean over its seeds; of several runs of one seed the newest
counts. The spread is what one training
differs from another of the same architecture: a standard deviation over seeds, pooled over all architectures
that have several. Qualities closer than the spread are tied.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.choose.pareto import front_mask
from analysis.read.database import LATENCY, QUALITIES
from searchspace.cost import COSTS
from searchspace.spec import nearest
from sweeps.store.comparability import differences

COMPARABLE = ("scale", "data_fingerprint", "train_data", "training", "step")
"""What trials must share for their validation PSNR to be compared."""
OF_TRIALS = ("state", "error", "attempts", "seed")
"""Columns of load_trials that a variant has not."""


def variants(trials: pd.DataFrame, quality: str = "psnr_y") -> pd.DataFrame:
    """One row an architecture from the complete trials of load_trials, best `quality` first, unmeasured last.

    Every quality is the mean over the distinct seeds that have it; num_seeds is the number of those that have
    `quality`, spread its standard deviation over seeds [its unit], NaN where no architecture has several;
    a cost that only some seeds have holds for all. sweep, number and reference ('SWEEP#NUMBER') are those of
    the best seed, bicubic is its PSNR on the validation images [dB], NaN where unknown. Raises ValueError where the trials cannot be compared with one another.
    """
    if quality not in QUALITIES:
        raise ValueError(f"quality: must be one of {', '.join(QUALITIES)}, got {quality!r}")
    if trials.empty:  # no cost is stored yet, and yet to name one is no mistake
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
    """The newest run of each architecture and seed that has `quality`; measurements that it lacks come from the others.

    A copy of a training tells nothing of what another seed would do.
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
            raise ValueError(
                f"sweeps: their trials are not comparable, {_difference(name, values)}; "
                "select from one at a time"
            )


def _difference(name: str, values: Sequence[str]) -> str:
    """What differs, in words; of the training only the settings that do."""
    if name != "training":
        return f"{name} differs ({', '.join(values)})"
    pairs = differences(json.loads(values[0]), json.loads(values[1]))
    return "; ".join(f"{path} differs ({old}, {new})" for path, old, new in pairs)


def _pooled_spread(variances: "pd.Series[float]", sizes: "pd.Series[int]") -> float:
    """Standard deviation over seeds, pooled over the architectures that have several; NaN where none has."""
    several = sizes > 1
    if not several.any():
        return float("nan")
    freedom = sizes[several] - 1
    return float(np.sqrt((variances[several] * freedom).sum() / freedom.sum()))


def spread_of(frame: pd.DataFrame) -> float:
    """The seeds' spread of these variants; 0 where it is unknown, so that only equals are tied."""
    known = frame["spread"].iloc[0] if len(frame) else float("nan")
    return 0.0 if pd.isna(known) else float(known)


def cost_names(frame: pd.DataFrame) -> list[str]:
    """Columns of `frame` that hold a cost, measured latencies among them."""
    return [str(n) for n in frame if n in COSTS or str(n).startswith(LATENCY)]


def cost_name(known: Sequence[str], name: str) -> str:
    """The one of the `known` columns of costs that a person calls `name`.

    'latency' stands for the one latency that was measured; of several, words that only one has choose it:
    'latency int8'. Raises ValueError where there is none or where several fit.
    """
    if name in known:
        return name
    first, *words = name.split() or [""]
    timed = [column for column in known if column.startswith(LATENCY)]
    if first == "latency" and timed:
        found = [column for column in timed if all(word in column for word in words)]
        if len(found) == 1:
            return found[0]
        raise ValueError(
            f"{name}: must name one measured latency, as in 'latency int8'; there are: "
            + "; ".join(timed)
        )
    if first.startswith("latency"):
        raise ValueError(
            f"{name}: no such latency was measured; `srsweep export SWEEP#NUMBER` and `srsweep latency` do"
        )
    raise ValueError(f"there is no cost called {name!r}; {nearest(name, known)}")


def coarse_front(frame: pd.DataFrame, quality: str, costs: Sequence[str]) -> pd.DataFrame:
    """The Pareto front of `quality` against `costs` without what a tied variant undercuts.

    Cheapest first, a variant stays where it beats every kept one that is no dearer by more than the spread. Where the
    spread is unknown this is the Pareto front itself, of equal variants one.
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
    """Decimal logarithms of costs; a cost of nothing counts as the least that is above 0."""
    values = cost.to_numpy(float)
    positive = values[values > 0]
    return np.log10(np.maximum(values, positive.min() if len(positive) else 1.0))
