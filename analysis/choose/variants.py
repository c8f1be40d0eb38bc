"""Averages the architectures of one or several sweeps over their seeds. Each averaged architecture is a variant.

A variant's quality is its PSNR, its SSIM, or its PSNR after INT8 quantisation, averaged over its seeds. If several
sweeps trained an architecture with the same seed, the newest trial is used. The seeds' spread measures how much
training runs of the same architecture differ. It is the standard deviation over seeds, pooled over all architectures
with several seeds. Two variants are tied if their qualities differ by no more than the spread.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.choose.pareto import front_mask
from analysis.read.columns import is_cost
from analysis.read.database import LATENCY, QUALITIES
from analysis.tables import spread_columns
from searchspace.cost import COSTS
from searchspace.errors import UserError
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.synonyms import nearest
from sweeps.measure.device_latency import PREDICTED
from sweeps.store.comparability import differences

COMPARABLE = ("scale", "data_fingerprint", "train_data", "training", "step")
"""Columns that must be equal in all trials whose validation PSNR is compared."""
OF_TRIALS = ("state", "error", "attempts", "seed")
"""Columns of `load_trials` that describe a single trial. Variants do not have them."""


def variants(trials: pd.DataFrame, quality: str = "psnr_y") -> pd.DataFrame:
    """Returns one row per architecture of the complete `trials` (rows of `load_trials`), the best `quality` first.

    Architectures without a value of `quality` come last. The qualities are means over the seeds that have a value. A
    latency that was measured for a single seed counts as the latency of the architecture. These columns are added or
    have a new meaning:

    - num_seeds: the number of seeds that have a value of `quality`,
    - spread: the pooled standard deviation over seeds, in the unit of `quality`; NaN if each architecture has one seed,
    - sweep, number and reference ('SWEEP#NUMBER'): the architecture's trial with the best `quality`,
    - bicubic: the PSNR of bicubic on the validation images [dB]; NaN if unknown.

    Raises UserError if `quality` is unknown or the trials cannot be compared with one another.
    """
    if quality not in QUALITIES:
        raise UserError(f"quality: must be one of {', '.join(QUALITIES)}, got {quality!r}")
    if trials.empty:  # no cost is stored yet, but a user may already name a cost
        trials = trials.assign(**dict.fromkeys(COSTS, float("nan")))
    complete = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    _refuse_incomparable(complete)
    _refuse_other_models(complete)
    if quality not in complete:
        complete = complete.assign(**{quality: float("nan")})
    complete = _one_run_a_seed(complete, quality)
    ordered = complete.sort_values(quality, ascending=False, kind="stable")
    groups = ordered.groupby("architecture")
    frame = ordered.drop_duplicates("architecture")
    frame = frame.drop(columns=[n for n in OF_TRIALS if n in frame]).set_index("architecture")
    for name in cost_names(frame):
        frame[name] = groups[name].first()  # the first that is not NaN
        # The quartiles of a latency come from the same trial as the latency.
        spread = [column for column in spread_columns([name]) if column in frame]
        if spread:
            timed = ordered[ordered[name].notna()].drop_duplicates("architecture")
            frame[spread] = timed.set_index("architecture")[spread].reindex(frame.index)
    for name in (n for n in QUALITIES if n in frame):
        frame[name] = groups[name].mean()
    frame["num_seeds"] = groups[quality].count()
    frame["spread"] = _pooled_spread(groups[quality].var(), groups[quality].count())
    frame["reference"] = [f"{s}#{n}" for s, n in zip(frame["sweep"], frame["number"], strict=True)]
    frame["bicubic"] = complete["bicubic"].max() if "bicubic" in complete else float("nan")
    frame = frame.sort_values(quality, ascending=False, kind="stable")
    return frame.reset_index()


def _one_run_a_seed(complete: pd.DataFrame, quality: str) -> pd.DataFrame:
    """Returns one trial per architecture and seed: the newest with a value of `quality`, or the newest if none has one.

    Measurements that this trial lacks come from other trials with the same architecture and seed. A second trial with
    the same seed must not count as a second seed, because it says nothing about how seeds differ.
    """
    keys = ["architecture", "seed"]
    if not complete.duplicated(keys).any():
        return complete
    newest = complete.assign(has_quality=complete[quality].notna())
    newest = newest.sort_values(["has_quality", "id"], ascending=False)
    names = [n for n in (*QUALITIES, *cost_names(complete)) if n in complete]
    # The quartiles of a latency come from the same trial as the latency.
    for name in cost_names(complete):
        spread = [n for n in spread_columns([name]) if n in complete]
        if spread:
            older = newest.groupby(keys)[spread].bfill()
            newest[spread] = newest[spread].where(newest[name].notna(), older)
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


def _refuse_other_models(complete: pd.DataFrame) -> None:
    """Raises UserError if different models predicted the latencies of `complete`."""
    if PREDICTED_LATENCY not in complete or "predicted_by" not in complete:
        return
    models = complete.loc[complete[PREDICTED_LATENCY].notna(), "predicted_by"].unique()
    if len(models) > 1:
        raise UserError(
            f"sweeps: their {PREDICTED_LATENCY} must come from one model of a device, got the models "
            f"{', '.join(sorted(models))}; choose from one sweep at a time"
        )


def _difference(name: str, values: Sequence[str]) -> str:
    """Returns a clause that names the differences between `values` of the column `name`.

    If the training settings differ, the clause lists only the different ones.
    """
    if name != "training":
        return f"{name} differs ({', '.join(values)})"
    pairs = differences(json.loads(values[0]), json.loads(values[1]))
    return "; ".join(f"{path} differs ({old}, {new})" for path, old, new in pairs)


def _pooled_spread(variances: "pd.Series[float]", sizes: "pd.Series[int]") -> float:
    """Returns the standard deviation over seeds, pooled over architectures with several seeds; NaN if none has."""
    several = sizes > 1
    if not several.any():
        return float("nan")
    freedom = sizes[several] - 1
    return float(np.sqrt((variances[several] * freedom).sum() / freedom.sum()))


def spread_of(frame: pd.DataFrame) -> float:
    """Returns the seeds' spread in `frame`, in the unit of the quality. All variants in `frame` share one spread.

    Returns 0 if the spread is unknown, so that only variants of equal quality are tied.
    """
    known = frame["spread"].iloc[0] if len(frame) else float("nan")
    return 0.0 if pd.isna(known) else float(known)


def cost_names(frame: pd.DataFrame) -> list[str]:
    """Returns the columns of `frame` that hold a cost, a latency, or a score computed from a latency."""
    return [name for name in map(str, frame) if is_cost(name)]


def cost_name(known: Sequence[str], name: str) -> str:
    """Returns the column among the `known` costs that a user means by `name`.

    `name` is a column, or 'latency' followed by words that occur in the name of only one measured latency, as in
    'latency int8'. If only one latency was measured, 'latency' alone is enough. A predicted latency is returned only if
    no measured one fits, for example because of the word 'predicted'. Raises UserError if no column fits or several do.
    """
    if name in known:
        return name
    first, *words = name.split() or [""]
    timed = [column for column in known if column.startswith(LATENCY)]
    if first == "latency" and timed:
        found = [column for column in timed if all(word in column for word in words)]
        measured = [column for column in found if PREDICTED not in column]
        # A prediction has all words of the measured latency that it is for.
        found = measured if len(measured) == 1 else found
        if len(found) == 1:
            return found[0]
        raise UserError(
            f"{name}: must name one measured latency, as in 'latency int8'; there are: "
            + "; ".join(timed)
        )
    if first.startswith("latency"):
        raise UserError(
            f"{name}: no such latency was measured; `srsweep export` and `srsweep latency` measure one"
        )
    raise UserError(f"there is no cost called {name!r}; {nearest(name, known)}")


def coarse_front(frame: pd.DataFrame, quality: str, costs: Sequence[str]) -> pd.DataFrame:
    """Returns the Pareto front of `quality` against `costs`, without variants that are tied with a cheaper variant.

    Variants are visited from the cheapest to the most expensive. A variant is kept if its quality exceeds, by more than
    the spread, that of every kept variant that is no more expensive in any cost. If the spread is unknown, the result
    is the Pareto front without duplicates.
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
    """Returns the decimal logarithm of each cost. A cost of 0 counts as the smallest cost above 0."""
    values = cost.to_numpy(float)
    positive = values[values > 0]
    return np.log10(np.maximum(values, positive.min() if len(positive) else 1.0))
