"""Draws the effect of each knob on PSNR at equal cost, and all trials as lines over their knobs, costs and PSNR."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.figures.pareto import thin
from analysis.figures.theme import (
    FAMILY_COLOURS,
    MUTED,
    Figure,
    base_layout,
    escaped,
    without_legend,
)
from analysis.figures.trial_keys import trial_keys
from analysis.tables import cell, headings

LEAST_TRIALS = 8
"""Smallest number of complete trials through which a family's trend of PSNR over cost is fitted."""
MOST_KNOBS = 6
"""Largest number of knobs that a figure shows."""
MOST_VALUES = 8
"""Largest number of distinct values of a knob that are shown one by one. More numbers are grouped into ranges."""
MOST_ROWS = 24
"""Largest number of knob values in the plot of effects, so that each has room for its name."""
MOST_LINES = 400
"""Largest number of dominated trials that are drawn as lines."""

MOST_TICKS = 13
"""Largest number of values of a knob that an axis names. If a knob has more, the axis names only the first and the
last."""
AXIS_WIDTH = 84
"""Least width of a parallel axis with its names, in pixels. On a narrower screen the figure scrolls sideways."""
ABSENT = -0.14
"""Height, on axes from 0 to 1, of trials whose family has no such knob."""


def effects_data(trials: pd.DataFrame, knobs: pd.DataFrame) -> pd.DataFrame:
    """Estimates by how much each value of a knob moves PSNR, compared with trials of equal cost.

    Returns one row per family, knob and value: family, knob, value (as text), mean and error (mean and standard error
    of PSNR above the trend [dB]) and count (of trials). The trend of a family is fitted to the PSNR of its complete
    trials: a parabola in log10(parameters) plus a line in log10(Mult-Adds). `knobs` is the data frame that
    `load_knobs` returns. Values with only one trial are left out, and so are knobs with fewer than two remaining values.
    """
    rows = []
    for family, own in _done(trials).groupby("family"):
        if len(own) < LEAST_TRIALS:
            continue
        above = pd.Series(_above_trend(own), index=own["id"])
        for knob, column in knobs.reindex(own["id"]).items():
            groups = above.groupby(grouped(column).to_numpy())
            named = [(str(value), part) for value, part in groups]
            kept = [(value, part) for value, part in named if len(part) >= 2 and value != "-"]
            if len(kept) < 2:
                continue
            rows += [
                {
                    "family": family,
                    "knob": knob,
                    "value": value,
                    "mean": float(part.mean()),
                    "error": float(part.std(ddof=1) / np.sqrt(len(part))),
                    "count": len(part),
                }
                for value, part in sorted(kept, key=lambda item: _order(item[0]))
            ]
    return pd.DataFrame(rows, columns=["family", "knob", "value", "mean", "error", "count"])


def draw_effects(data: pd.DataFrame) -> Figure:
    """Draws the knobs that move PSNR most. Each value has one mark, with an error bar for the standard error.

    `data` is the data frame that `effects_data` returns.
    """
    groups = data.groupby(["family", "knob"])["mean"]
    order = groups.agg(np.ptp).sort_values(ascending=False).index[:MOST_KNOBS]
    fits = groups.size()[order].cumsum() <= MOST_ROWS
    several = data["family"].nunique() > 1
    traces = []
    for index, key in enumerate(order[fits | (np.arange(len(order)) == 0)]):
        family, knob = key
        own = data[(data["family"] == family) & (data["knob"] == knob)].iloc[::-1]
        name = f"{family} {knob}" if several else str(knob)
        colour = FAMILY_COLOURS[index % len(FAMILY_COLOURS)]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": escaped(name),
                "x": own["mean"].round(4).tolist(),
                "y": [escaped(f"{name}={_cut(value)}") for value in own["value"]],
                "text": [f"{count} trials" for count in own["count"]],
                "hovertemplate": "%{y}<br>%{x:+.3f} dB, %{text}<extra></extra>",
                "error_x": {"array": own["error"].round(4).tolist(), "color": colour, "width": 0},
                "marker": {"size": 9, "color": colour},
                "showlegend": False,
            }
        )
    layout = without_legend(base_layout("PSNR-Y above the trend, dB", ""))
    layout["xaxis"] |= {"zeroline": True, "zerolinecolor": MUTED}
    layout["yaxis"] |= {"dtick": 1, "tickfont": {"size": 11}}
    return {"data": traces[::-1], "layout": layout}


def draw_parallel(
    trials: pd.DataFrame, knobs: pd.DataFrame, costs: Sequence[str] = ("params", "multadds")
) -> Figure | None:
    """Draws complete trials as lines over their knobs, `costs` and PSNR, with the front in colour.

    `trials` has a boolean column on_front. All trials of the front and at most MOST_LINES others are drawn. If there
    are several families, the first axis separates them, the lines of the front have the colours of their families, and
    the line of a trial passes below the axis of a knob that its family lacks. Returns None if nothing varies or fewer
    than two trials are complete.
    """
    done = _done(trials)
    families = sorted(done["family"].unique())
    done = done[thin(done["on_front"].to_numpy(bool), MOST_LINES)]
    if len(done) < 2:
        return None
    texts = knobs.reindex(done["id"]).map(knob_text)
    varying = _varying(texts, several=len(families) > 1)
    axes = [_knob_axis(str(name), texts[name].tolist()) for name in varying]
    if len(families) > 1:
        axes.insert(0, _knob_axis("family", done["family"].tolist()))
    if not axes:
        return None
    shown = [name for name in costs if name in done and done[name].notna().all()]
    names = headings([*shown, "psnr_y"])
    axes += [_number_axis(n, names[n], done[n].to_numpy(float)) for n in names]
    heights = np.stack([axis["at"] for axis in axes], 1)
    front = done["on_front"].to_numpy(bool)
    keys = np.array(trial_keys(done), object)
    traces = [
        _lines(heights[~front], keys[~front], "dominated", "rgba(120,130,140,0.28)", 1),
        *_front_lines(heights[front], keys[front], done.loc[front, "family"].tolist(), families),
    ]
    layout = base_layout("", "")
    layout["xaxis"] |= {
        "tickvals": list(range(len(axes))),
        "ticktext": [escaped(axis["name"]) for axis in axes],
        "showgrid": True,
        "gridcolor": MUTED,
        "range": [-0.35, len(axes) - 0.3],
        "ticklabeloverflow": "allow",
        "fixedrange": True,
    }
    layout["yaxis"] |= {
        "visible": False,
        "range": [
            ABSENT - 0.05
            if any("none" in dict(axis["ticks"]).values() for axis in axes)
            else -0.06,
            1.06,
        ],
        "fixedrange": True,
    }
    layout["margin"] |= {"l": 14, "b": 64}
    layout["meta"] = {"least": AXIS_WIDTH * len(axes)}
    layout["annotations"] = [
        {
            "x": index,
            "y": height,
            "text": escaped(text),
            # On a phone the long numbers of two neighbouring axes would overlap.
            "name": "wide only" if axis["dense"] else "",
            "showarrow": False,
            "xanchor": "left",
            "xshift": 4,
            "bgcolor": "rgba(255,255,255,0.8)",
            "font": {"size": 10, "color": MUTED},
        }
        for index, axis in enumerate(axes)
        for height, text in axis["ticks"]
    ]
    return {"data": traces, "layout": layout}


def _varying(texts: pd.DataFrame, *, several: bool) -> list[str]:
    """Returns the names of the knobs that get an axis. If there are `several` families, the knobs that most trials have
    come first.
    """
    if not several:
        return [str(name) for name in texts if texts[name].nunique() > 1][:MOST_KNOBS]
    has = texts != "-"
    share = has.mean().sort_values(ascending=False, kind="stable")
    found = [str(n) for n in share.index if share[n] > 0.3 and texts[n][has[n]].nunique() > 1]
    return found[: MOST_KNOBS - 1]


def _front_lines(
    heights: NDArray[np.float64],
    keys: NDArray[np.object_],
    of_family: Sequence[str],
    families: Sequence[str],
) -> list[Figure]:
    """Returns the lines of the front, with one trace and one colour for each family, and the legend."""
    # The lines of a long front are paler, or they would hide one another.
    alpha = min(1.0, 6 / max(len(heights), 1) ** 0.5)
    width = 1.6 if len(heights) < 40 else 0.8
    traces, legend = [], [_named_line("dominated", "#a8b0b8")]
    for index, family in enumerate(families):
        of_this = np.array(of_family, dtype=object) == family
        own = heights[of_this]
        if not len(own):
            continue
        colour = (
            FAMILY_COLOURS[index % len(FAMILY_COLOURS)] if len(families) > 1 else FAMILY_COLOURS[0]
        )
        name = f"front, {escaped(family)}" if len(families) > 1 else "front"
        traces.append(
            _lines(own, keys[of_this], name, colour, width) | {"opacity": round(alpha, 2)}
        )
        legend.append(_named_line(name, colour))
    return [*traces, *legend]


def _done(trials: pd.DataFrame) -> pd.DataFrame:
    known = trials[["psnr_y", "params", "multadds"]].notna().all(axis=1)
    return trials[(trials["state"] == "complete") & known]


def grouped(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Returns the values as text. More than MOST_VALUES distinct numbers become ranges with equal numbers of trials."""
    texts = column.map(knob_text)
    numbers = pd.to_numeric(texts, errors="coerce")
    if texts.nunique() <= MOST_VALUES or numbers.isna().any():
        return texts
    ranges = pd.qcut(numbers, MOST_VALUES - 2, duplicates="drop")
    ends = numbers.groupby(ranges, observed=True).agg(["min", "max"])
    return ranges.map({at: f"{low:g} to {high:g}" for at, low, high in ends.itertuples()})


def _above_trend(trials: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the PSNR in dB of each of N trials minus the trend at the trial's cost, with shape (N,)."""
    params, multadds = (
        np.log10(trials[name].clip(lower=1).to_numpy(float)) for name in ("params", "multadds")
    )
    terms = np.stack([np.ones_like(params), params, params**2, multadds], 1)
    psnr = trials["psnr_y"].to_numpy(float)
    weights = np.linalg.lstsq(terms, psnr, rcond=None)[0]
    return np.asarray(psnr - terms @ weights)


def _knob_axis(name: str, values: list[str]) -> dict[str, Any]:
    """Returns the axis of a knob. Trials with the same value lie a little apart, so that each line can be followed."""
    known = sorted(set(values) - {"-"}, key=_order)
    places = {value: index / max(len(known) - 1, 1) for index, value in enumerate(known)}
    ticks = [(place, _cut(value)) for value, place in places.items()]
    shown = ticks if len(ticks) <= MOST_TICKS else [ticks[0], ticks[-1]]
    if "-" in values:
        places["-"] = ABSENT
        shown = [*shown, (ABSENT, "none")]
    room = min(0.05, 0.3 / max(len(known) - 1, 1))
    # The golden ratio spreads any number of successive trials evenly.
    apart = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * room
    return {
        "name": name,
        "at": np.array([places[value] for value in values]) + apart,
        "ticks": shown,
        "dense": False,
    }


def _number_axis(name: str, title: str, values: NDArray[np.float64]) -> dict[str, Any]:
    """Returns the axis of the column `name`, with `title` as its name."""
    scaled = values if name == "psnr_y" else np.log10(np.maximum(values, 1))
    low, high = float(scaled.min()), float(scaled.max())
    ticks = [(0.0, cell(name, float(values.min()))), (1.0, cell(name, float(values.max())))]
    at = (scaled - low) / max(high - low, 1e-9)
    return {"name": title, "at": at, "ticks": ticks, "dense": name != "psnr_y"}


def _lines(
    heights: NDArray[np.float64], keys: NDArray[np.object_], name: str, colour: str, width: float
) -> Figure:
    """Returns all lines of one colour as one trace, with gaps between the lines. `keys` name the trials."""
    x: list[int | None] = []
    y: list[float | None] = []
    named: list[str] = []
    for row, key in zip(heights.round(3).tolist(), keys, strict=True):
        x += [*range(len(row)), None]
        y += [*row, None]
        named += [key] * (len(row) + 1)
    line = {"color": colour, "width": width}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": line,
        "customdata": named,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _named_line(name: str, colour: str) -> Figure:
    """Returns a legend entry without points, for lines that are too pale to show in the legend."""
    line = {"color": colour, "width": 2}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [None],
        "y": [None],
        "line": line,
    }


def knob_text(value: Any) -> str:
    """Returns the value of a knob, of any JSON type, as short text. A missing value is "-"."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{knob_text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(str, value)) + "]"
    if value is None or pd.isna(value):
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(text: str) -> tuple[int, float, str]:
    """Returns a sort key that puts numbers and ranges first, sorted by size, and words after them."""
    try:
        return 0, float(text.partition(" to ")[0]), text
    except ValueError:
        return 1, 0.0, text


def _cut(text: str) -> str:
    return text if len(text) <= 14 else f"{text[:12]}…"
