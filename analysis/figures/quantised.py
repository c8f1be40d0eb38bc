"""Draws how INT8 quantisation changes the Pareto front and the order of the trials."""

import numpy as np
import pandas as pd

from analysis.choose.pareto import front_mask
from analysis.figures.pareto import thin
from analysis.figures.theme import (
    FAMILY_COLOURS,
    MUTED,
    Figure,
    base_layout,
    escaped,
    log_axis,
    log_range,
)
from analysis.figures.trial_keys import axes_of, trial_keys
from analysis.read.database import LATENCY
from analysis.tables import cell, heading

FLOAT_COLOUR, INT8_COLOUR = FAMILY_COLOURS[0], FAMILY_COLOURS[1]
JOINS, LEAVES = FAMILY_COLOURS[2], FAMILY_COLOURS[3]
"""Colours of the rings around trials that join or leave the front through INT8 quantisation."""
MOST_DOMINATED = 400
"""Largest number of drawn trials that are not on a front."""
MOST_RANKED = 24
"""Largest number of trials in the plot of ranks. The trials that are best in float32 are drawn."""

LONGEST = 12
"""Largest number of characters of a sweep's name beside the plot of ranks. A card has no room for more."""


def exported(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the complete trials whose PSNR after INT8 quantisation was measured."""
    if "psnr_y_int8" not in trials:
        return trials.head(0)
    known = trials[["psnr_y", "psnr_y_int8", "params"]].notna().all(axis=1)
    return trials[(trials["state"] == "complete") & known]


def int8_costs(trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Returns pairs of cost columns (in float32, in INT8) for the x axis: parameters, Mult-Adds, latencies.

    The two latencies of a pair were measured with the same runtime, image size, threads and device. At least one trial
    has both latencies.
    """
    pairs = [(name, name) for name in ("params", "multadds") if name in trials]
    for name in map(str, trials):
        before = name.replace(" int8 ", " float32 ")
        if before != name and before in trials:
            both = trials[[before, name]].notna().all(axis=1)
            pairs += [(before, name)] if both.any() else []
    return pairs


def draw_int8_front(trials: pd.DataFrame, before: str, after: str) -> Figure:
    """Draws each trial twice: PSNR in float32 against the cost `before`, and PSNR in INT8 against the cost `after`.

    A line joins the two points of a trial. `trials` is the data frame that `exported` returns. Each precision has its
    own Pareto front among these trials. All trials on either front are drawn, and at most MOST_DOMINATED others.
    """
    own = trials[trials[[before, after]].notna().all(axis=1)]
    points = {
        "float32": own[["psnr_y", before]].to_numpy(float),
        "INT8": own[["psnr_y_int8", after]].to_numpy(float),
    }
    on_front = {name: front_mask(at, ("maximize", "minimize")) for name, at in points.items()}
    kept = thin(on_front["float32"] | on_front["INT8"], MOST_DOMINATED)
    own = own[kept]
    points = {name: at[kept] for name, at in points.items()}
    on_front = {name: mask[kept] for name, mask in on_front.items()}
    texts = _texts(own, on_front["float32"], on_front["INT8"])
    keys = trial_keys(own)
    traces = [_moves(points["float32"], points["INT8"])]
    for name, colour, symbol in (
        ("float32", FLOAT_COLOUR, "circle"),
        ("INT8", INT8_COLOUR, "diamond"),
    ):
        traces += _precision(name, points[name], on_front[name], texts, keys, (colour, symbol))
    old, new = on_front["float32"], on_front["INT8"]
    traces += _ring("joins the front", points["INT8"][new & ~old], JOINS)
    traces += _ring("leaves the front", points["INT8"][old & ~new], LEAVES)
    low, high = log_range([*own[before], *own[after]])
    title = "latency, ms" if after.startswith(LATENCY) else heading(after)
    layout = base_layout(title, "PSNR-Y on the validation split, dB")
    layout["xaxis"] |= log_axis(low, high)
    return {"data": traces, "layout": layout | axes_of(after, "psnr_y")}


def _texts(trials: pd.DataFrame, before: np.ndarray, after: np.ndarray) -> list[str]:
    """Returns the hover text of each trial. `before` and `after` are masks of the fronts in float32 and in INT8."""
    places = np.array(["off the front", "on the front"])
    texts = []
    for row, old, new in zip(
        trials.to_dict("records"),
        places[before.astype(int)],
        places[after.astype(int)],
        strict=True,
    ):
        lines = [
            f"<b>{escaped(row['label']).replace(' ', '<br>  ', 1)}</b>",
            f"{escaped(row['sweep'])}, trial {row['number']}",
            f"float32 {row['psnr_y']:.3f} dB, {old}",
            f"INT8 {row['psnr_y_int8']:.3f} dB ({row['psnr_y_int8'] - row['psnr_y']:+.3f}), {new}",
        ]
        lines += [
            escaped(f"{heading(name)} {cell(name, row[name])}")
            for name in map(str, trials)
            if name.startswith(LATENCY) and not pd.isna(row[name])
        ]
        texts.append("<br>".join(lines))
    return texts


def _moves(before: np.ndarray, after: np.ndarray) -> Figure:
    """Returns a thin line for each trial, from its point in float32 to its point in INT8."""
    gap = [None] * len(before)
    x = [v for three in zip(before[:, 1], after[:, 1], gap, strict=True) for v in three]
    y = [v for three in zip(before[:, 0], after[:, 0], gap, strict=True) for v in three]
    line = {"width": 1, "color": MUTED, "dash": "dot"}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "one trial",
        "x": x,
        "y": y,
        "line": line,
        "hoverinfo": "skip",
    }


def _precision(
    name: str,
    points: np.ndarray,
    on_front: np.ndarray,
    texts: list[str],
    keys: list[str],
    look: tuple[str, str],
) -> list[Figure]:
    """Returns the front of one precision as a step line, and its points: filled on the front, hollow elsewhere.

    `look` is the colour and the symbol of the points.
    """
    colour, symbol = look
    # Points of the front come first, because the legend takes its look from the first point.
    order = np.argsort(~on_front, kind="stable")
    points, on_front, texts = points[order], on_front[order], [texts[i] for i in order]
    keys = [keys[i] for i in order]
    front = points[on_front]
    front = front[np.argsort(front[:, 1])]
    step = {
        "type": "scatter",
        "mode": "lines",
        "name": f"front, {name}",
        "x": front[:, 1].tolist(),
        "y": front[:, 0].tolist(),
        "line": {"shape": "hv", "width": 1.8, "color": colour},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": points[:, 1].tolist(),
        "y": points[:, 0].tolist(),
        "text": texts,
        "customdata": keys,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": 10,
            "color": [colour if on else "#ffffff" for on in on_front],
            "symbol": symbol,
            "line": {"width": 1.8, "color": colour},
        },
    }
    return [step, marks]


def _ring(name: str, at: np.ndarray, colour: str) -> list[Figure]:
    """Returns rings around points that join or leave the front, or an empty list if `at` has no points."""
    mark = {"symbol": "circle-open", "size": 20, "color": colour, "line": {"width": 2}}
    ring = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": at[:, 1].tolist(),
        "y": at[:, 0].tolist(),
        "marker": mark,
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    return [ring] * bool(len(at))


def draw_int8_ranks(trials: pd.DataFrame) -> Figure:
    """Draws the rank of each trial by PSNR: in float32 on the left and in INT8 on the right, joined by a line.

    `trials` is the data frame that `exported` returns. The MOST_RANKED trials that are best in float32 are drawn and
    ranked.
    """
    own = trials.sort_values("psnr_y", ascending=False).head(MOST_RANKED)
    several = own["sweep"].nunique() > 1
    old = own["psnr_y"].rank(ascending=False, method="first").to_numpy(float)
    new = own["psnr_y_int8"].rank(ascending=False, method="first").to_numpy(float)
    colours = np.select([new < old, new > old], [FLOAT_COLOUR, INT8_COLOUR], MUTED)
    traces, notes = [], []
    for row, left, right, colour in zip(own.to_dict("records"), old, new, colours, strict=True):
        name = f"{row['sweep']}#{row['number']}" if several else f"trial {row['number']}"
        shown = (
            f"{row['sweep'][:LONGEST]}…#{row['number']}"
            if several and len(row["sweep"]) > LONGEST + 1
            else name
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": [0, 1],
                "y": [left, right],
                "name": escaped(name),
                "customdata": [f"{row['sweep']}#{row['number']}"] * 2,
                "hovertemplate": f"<b>{escaped(row['label'])}</b><br>{escaped(name)}"
                f"<br>{row['psnr_y']:.3f} dB in float32, {row['psnr_y_int8']:.3f} dB in INT8"
                "<extra></extra>",
                "line": {"color": colour, "width": 1.2 if left == right else 2.2},
                "marker": {"size": 7, "color": colour},
                "showlegend": False,
            }
        )
        notes += [
            _end(f"{shown}  {row['psnr_y']:.2f}", 0, float(left)),
            _end(f"{row['psnr_y_int8']:.2f}", 1, float(right)),
        ]
    layout = base_layout("", "")
    layout["xaxis"] |= {
        "tickvals": [0, 1],
        "ticktext": ["float32, dB", "INT8, dB"],
        "range": [-0.75, 1.35],
        "side": "top",
        "showgrid": False,
        "ticks": "",
        "fixedrange": True,
    }
    layout["yaxis"] |= {"visible": False, "range": [len(own) + 0.6, 0.4], "fixedrange": True}
    layout["margin"] |= {"l": 8, "b": 10, "t": 30}
    layout["annotations"] = notes
    return {"data": traces, "layout": layout}


def _end(text: str, side: int, rank: float) -> Figure:
    """Returns the annotation at one end of a line: on the left if `side` is 0, on the right if it is 1."""
    return {
        "x": side,
        "y": rank,
        "text": escaped(text),
        "showarrow": False,
        "xanchor": "left" if side else "right",
        "xshift": 8 if side else -8,
        "font": {"size": 11},
    }


def rank_changes(trials: pd.DataFrame) -> int:
    """Returns the number of pairs of `trials` whose order by PSNR is reversed by INT8 quantisation."""
    old, new = (trials[name].to_numpy() for name in ("psnr_y", "psnr_y_int8"))
    turned = (old[:, None] > old) & (new[:, None] < new)
    return int(turned.sum())
