"""Draws learning curves, and the growth of the front over the trials."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.choose.pareto import Direction, front_newcomers, growing_volumes
from analysis.figures.pareto import thin
from analysis.figures.theme import (
    FAMILY_COLOURS,
    RUNNING,
    Figure,
    base_layout,
    counting_axis,
    escaped,
    level_line,
    level_note,
    quality_range,
    without_legend,
)

MOST_STEPS, FEW_STEPS = 400, 60
"""Largest number of points of the hypervolume curve: with up to three objectives, and with more than three."""


def curves_data(
    curves: pd.DataFrame, trials: pd.DataFrame, most: int = 120
) -> list[dict[str, Any]]:
    """Returns the learning curves of `trials` as dicts with steps, values [dB], params, on_front, running, text and key.

    `curves` is the data frame that `load_curves` returns. `trials` has a boolean column on_front. At most `most` trials
    that are not on the front are kept. Curves are sorted for drawing: the curves of the front come last, and the very
    last one belongs to the trial on the front with the fewest parameters.
    """
    kept = trials[thin(trials["on_front"].to_numpy(bool), most)]
    rows = dict(zip(kept["id"], kept.to_dict("records"), strict=True))
    lines = []
    for trial_id, own in curves[curves["id"].isin(rows)].groupby("id"):
        row = rows[trial_id]
        text = f"{escaped(row['label'])}<br>trial {row['number']}, {row['state']}"
        lines.append(
            {
                "steps": own["step"].tolist(),
                "values": own["value"].tolist(),
                "params": float(row.get("params", np.nan)),
                "on_front": bool(row["on_front"]),
                "running": row["state"] == "running",
                "text": text,
                "key": f"{row['sweep']}#{row['number']}",
            }
        )
    return sorted(lines, key=lambda line: (line["on_front"], -line["params"]))


def draw_curves(lines: list[dict[str, Any]], bicubic: float | None = None) -> Figure:
    """Draws PSNR over optimiser steps. `lines` is the list that `curves_data` returns.

    Trials on the front are blue, from light (few parameters) to dark (many). Running trials are green, others grey.
    """
    front = sorted(line["params"] for line in lines if line["on_front"])
    traces = []
    for line in lines:
        share = front.index(line["params"]) / max(len(front) - 1, 1) if line["on_front"] else 0
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(line["steps"]) == 1 else "lines",
                "x": line["steps"],
                "y": line["values"],
                "customdata": [line["key"]] * len(line["steps"]),
                "hovertemplate": line["text"] + "<br>step %{x:,}: %{y:.2f} dB<extra></extra>",
                "showlegend": False,
                "line": {
                    "width": 2 if line["on_front"] or line["running"] else 1,
                    "color": _blue(share) if line["on_front"] else _other(line["running"]),
                },
            }
        )
    layout = without_legend(base_layout("optimiser steps", "PSNR-Y on the validation split, dB"))
    layout["xaxis"] |= _step_axis([step for line in lines for step in line["steps"]])
    if lines:
        values = np.concatenate([line["values"] for line in lines])
        floor, top = quality_range(values, bicubic)
        layout["yaxis"]["range"] = [floor, top]
        if bicubic is not None and floor <= bicubic <= top:
            layout["shapes"] = [level_line(bicubic)]
            layout["annotations"] = [level_note(f"bicubic {bicubic:.2f}", bicubic, "left")]
    return {"data": traces, "layout": layout}


def draw_few_curves(curves: pd.DataFrame) -> Figure:
    """Draws the PSNR of a few trials over optimiser steps, each in a colour of its own and named in the legend.

    `curves` is the data frame that `load_curves` returns.
    """
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": escaped(f"{own['sweep'].iloc[0]}#{own['number'].iloc[0]}"),
            "x": own["step"].tolist(),
            "y": own["value"].tolist(),
            "hovertemplate": "step %{x:,}: %{y:.2f} dB",
            "line": {"width": 2, "color": FAMILY_COLOURS[index % len(FAMILY_COLOURS)]},
            "marker": {"size": 5},
        }
        for index, (_, own) in enumerate(curves.groupby("id", sort=False))
    ]
    layout = base_layout("optimiser steps", "PSNR-Y on the validation split, dB")
    layout["xaxis"] |= _step_axis(curves["step"].tolist())
    return {"data": traces, "layout": layout}


def _step_axis(steps: Sequence[int]) -> Figure:
    """Returns an axis from the first of `steps` to the last one, with some room on both sides."""
    axis: Figure = {"tickformat": "~s"}
    if not steps:
        return axis
    low, high = min(steps), max(steps)
    room = 0.03 * (high - low) or 0.5 * high or 1.0
    return axis | {"range": [low - room, high + room]}


def volume_data(trials: pd.DataFrame, objectives: dict[str, Direction]) -> pd.DataFrame:
    """Computes how the hypervolume grew. Returns one row per trial that changed it: number, share.

    number is the number of the trial. share is the hypervolume up to this trial, as a share of the final hypervolume.
    The last row is for the last complete trial. Minimised objectives enter as log10. The reference point is the worst
    value of every objective. If there are more changes than a figure can show, some are left out. Most of these are
    late ones, because the front grows fastest at the beginning.
    """
    names = [name for name in objectives if name in trials]
    ways = [objectives[name] for name in names]
    done = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    done = done[["number", *names]].sort_values("number").dropna()
    if done.empty:
        return pd.DataFrame({"number": [], "share": []})
    points = _scaled(done[names], ways)
    worst = [
        at.min() if way == "maximize" else at.max() for at, way in zip(points.T, ways, strict=True)
    ]
    changed = front_newcomers(points, ways)
    # Computing a hypervolume in four or more objectives is slow.
    places = _spread(len(changed), MOST_STEPS if len(names) <= 3 else FEW_STEPS)
    volumes = growing_volumes(points[changed], places, worst, ways)
    shares = volumes / (volumes[-1] or 1.0)
    numbers = done["number"].to_numpy()
    return pd.DataFrame(
        {"number": [*numbers[changed[places]], numbers[-1]], "share": [*shares, shares[-1]]}
    )


def _spread(total: int, most: int) -> list[int]:
    """Returns at most `most` of the numbers 0 to total - 1, with both ends, and with small numbers closer together."""
    if total <= most:
        return list(range(total))
    places: list[int] = np.unique(np.geomspace(1, total, most).round().astype(int) - 1).tolist()
    return places


def _scaled(points: pd.DataFrame, directions: Sequence[Direction]) -> NDArray[np.float64]:
    """Returns the points (N, K) with each minimised objective replaced by its log10."""
    values = points.to_numpy(float).copy()
    small = np.array([way == "minimize" for way in directions])
    values[:, small] = np.log10(values[:, small].clip(min=1))
    return values


def draw_volume(data: pd.DataFrame) -> Figure:
    """Draws the hypervolume after each trial, as a share of the final hypervolume.

    `data` is the data frame that `volume_data` returns.
    """
    layout = without_legend(
        base_layout("number of the complete trial", "hypervolume, share of the final value")
    )
    layout["xaxis"] |= counting_axis(data["number"].max())
    layout["yaxis"] |= {"range": [0, 1.04], "tickformat": ".0%"}
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": data["number"].tolist(),
        "y": data["share"].tolist(),
        "line": {"shape": "hv", "width": 2, "color": FAMILY_COLOURS[0]},
        "hovertemplate": "trial %{x}: %{y:.1%}<extra></extra>",
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout}


def _other(running: bool) -> str:
    """Returns the colour of a curve whose trial is not on the front."""
    return RUNNING if running else "rgba(120,130,140,0.28)"


def _blue(share: float) -> str:
    """Returns a shade of blue, from light (`share` 0) to dark (`share` 1). Every shade is visible on white."""
    light, dark = np.array([86, 180, 233]), np.array([8, 48, 107])
    red, green, blue = (light + share * (dark - light)).astype(int)
    return f"rgb({red},{green},{blue})"
