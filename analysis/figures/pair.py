"""Draws any two qualities or costs against each other, with their own front."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.choose.means import SPREADS
from analysis.choose.pareto import Direction, front_mask
from analysis.figures.layers import layered
from analysis.figures.pareto import LEAST_SPAN, QUALITY_TITLES, family_traces, hover_texts
from analysis.figures.theme import (
    INK,
    Figure,
    base_layout,
    log_axis,
    log_range,
    nothing_yet,
    quality_range,
)
from analysis.figures.trial_keys import axes_of, trial_keys
from analysis.tables import headings


def draw_pair(trials: pd.DataFrame, x: str, y: str, others: Sequence[pd.DataFrame] = ()) -> Figure:
    """Draws the complete `trials` at their values of the columns `x` and `y`.

    `trials` has a boolean column on_front, and points on the front are outlined. The axis of a cost is logarithmic. The
    line is the front of the two columns alone: qualities are maximised and costs minimised. `others` are the trials of
    further sweeps. If there are any, a colour stands for a sweep and not for a family, and each sweep has a line.
    """
    layers = [_points(each, x, y) for each in (trials, *others)]
    frame = pd.concat(layers)
    layout = base_layout(_title(x), _title(y))
    if frame.empty:
        layout["annotations"] = [nothing_yet("no trial has both values yet")]
        return {"data": [], "layout": layout | axes_of(x, y)}
    layout["xaxis"] |= _axis(x, frame["x"])
    layout["yaxis"] |= _axis(y, frame["y"])
    drawn = [
        [_line(layer, x, y), *map(_small, family_traces(layer, frame))] if len(layer) else []
        for layer in layers
    ]
    names = [next(iter(layer["sweep"]), "") for layer in layers]
    traces = layered(list(zip(names, drawn, strict=True))) if others else drawn[0]
    return {"data": traces, "layout": layout | axes_of(x, y)}


def _points(trials: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Returns the points that `family_traces` draws: one per trial that has both values."""
    known = trials[trials[x].notna() & trials[y].notna()]
    known = known[((known[x] > 0) | _is_quality(x)) & ((known[y] > 0) | _is_quality(y))]
    return pd.DataFrame(
        {
            "x": known[x],
            "y": known[y],
            "area": 1.0,
            "sweep": known["sweep"],
            "family": known["family"],
            "on_front": known["on_front"],
            "spread": known.get(SPREADS.get(y, ""), float("nan")),
            "text": hover_texts(known),
            "key": trial_keys(known),
        }
    )


def _line(points: pd.DataFrame, x: str, y: str) -> Figure:
    on_line = front_mask(points[["x", "y"]].to_numpy(float), (_way(x), _way(y)))
    line = points.loc[on_line, ["x", "y"]].drop_duplicates().sort_values("x")
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": line["x"].tolist(),
        "y": line["y"].tolist(),
        # Up to the next point to the right nothing is better. From the left that is the value of this point, if x
        # is minimised, and otherwise the value of the next one.
        "line": {"shape": "vh" if _is_quality(x) else "hv", "width": 1.6, "color": INK},
        "hoverinfo": "skip",
    }


def _small(trace: Figure) -> Figure:
    return trace | {"marker": trace["marker"] | {"size": 10}}


def _is_quality(name: str) -> bool:
    return name in QUALITY_TITLES


def _way(name: str) -> Direction:
    return "maximize" if _is_quality(name) else "minimize"


def _title(name: str) -> str:
    return QUALITY_TITLES[name] if _is_quality(name) else headings([name])[name]


def _axis(name: str, values: "pd.Series[float]") -> Figure:
    if not _is_quality(name):
        return log_axis(*log_range(values.tolist()))
    return {"range": list(quality_range(np.asarray(values, np.float64), None, LEAST_SPAN[name]))}
