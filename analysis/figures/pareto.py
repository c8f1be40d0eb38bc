"""Draws PSNR against a cost, with the Pareto front and the costs of published networks.

Figures are made in two steps: `*_data` computes plain values, and `draw_*` turns them into a figure. A figure is a
plain dict {"data": [...], "layout": {...}}, which plotly.js, Dash and `plotly.graph_objects.Figure` accept unchanged.
Drawing therefore does not need the package plotly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.choose.gates import Gates, passing
from analysis.choose.means import SPREADS
from analysis.choose.pareto import Direction, front_mask
from analysis.figures.layers import layered
from analysis.figures.published_strip import STRIP_AXIS, strip_traces
from analysis.figures.theme import (
    FAMILY_COLOURS,
    FAMILY_SYMBOLS,
    INK,
    Figure,
    base_layout,
    escaped,
    level_line,
    level_note,
    log_axis,
    log_range,
    quality_range,
)
from analysis.figures.trial_keys import axes_of, trial_keys
from analysis.tables import cell, heading, headings

MOST_POINTS = 2_000
"""Largest number of dominated points that are drawn. Points on a front are always drawn."""
NOT_SHOWN = frozenset({"id", "scale", "number", "seed", "step", "seconds", "attempts"})
"""Numeric columns that the hover text leaves out."""
QUALITY_TITLES = {
    "psnr_y": "PSNR-Y on the validation split, dB",
    "ssim_y": "SSIM-Y on the validation split",
    "psnr_rgb": "PSNR of RGB on the validation split, dB",
}
"""Titles of the y axis by quality."""
LEAST_SPAN = {"psnr_y": 0.1, "ssim_y": 0.002, "psnr_rgb": 0.1}
"""Smallest part of the y axis that the better points fill, by quality."""
MANY_POINTS = 1_000
"""Largest number of points that are drawn as SVG. If there are more, WebGL draws all of them."""


@dataclass(frozen=True, kw_only=True)
class ParetoData:
    """The contents of a plot of PSNR against one cost: our complete trials, their front, and published networks."""

    cost: str
    """The cost on the x axis."""
    quality: str
    """The quality on the y axis: psnr_y, ssim_y or psnr_rgb."""
    other_cost: str
    """The cost that the area of a bubble shows."""
    points: pd.DataFrame
    """One row per drawn trial: x (cost), y (quality), area (other cost), sweep, family, on_front, spread (standard
    deviation over seeds; NaN if unknown), text (shown on hover), key (SWEEP#NUMBER)."""
    step: pd.DataFrame
    """x and y of the trials on the front of the quality against this cost alone, cheapest first."""
    bicubic: float | None
    """The quality of bicubic on the validation images; None if unknown."""
    gate: float | None
    """The minimum quality that a trial must reach to be on the front; None if the sweep has no such gate."""
    networks: pd.DataFrame
    """Published networks, cheapest first: network, cost, counted, own."""
    range: tuple[float, float]
    """Ends of the y axis."""
    below: int
    """Number of drawn points that lie below the lower end of the y axis."""
    left_out: int
    """Number of dominated points that are not drawn."""


def pareto_data(
    trials: pd.DataFrame,
    cost: str,
    other_cost: str,
    *,
    objectives: dict[str, Direction],
    gates: Gates = (),
    bicubic: float | None = None,
    networks: pd.DataFrame | None = None,
    most: int = MOST_POINTS,
    quality: str = "psnr_y",
) -> ParetoData:
    """Computes the contents of a plot of `quality` against `cost` from those `trials` that are complete.

    The column on_front refers to the Pareto front in all `objectives` among the trials that pass the `gates`.
    `ParetoData.step` refers to the front of the quality against `cost` alone. `bicubic` is the quality of bicubic. At
    most `most` trials that are on neither front are kept. `networks` is a data frame that `published_networks`
    returned.
    """
    done = complete(trials, cost, quality)
    on_step = front_mask(done[[quality, cost]], ("maximize", "minimize"))
    on_front = front_of(done, objectives, gates)
    kept = thin(on_front | on_step, most)
    points = done[kept]
    frame = pd.DataFrame(
        {
            "x": points[cost],
            "y": points[quality],
            "area": points.get(other_cost, 1.0),
            "sweep": points["sweep"],
            "family": points["family"],
            "on_front": on_front[kept],
            "spread": points.get(SPREADS[quality], float("nan")),
            "text": hover_texts(points),
            "key": trial_keys(points),
        }
    )
    floor, top = quality_range(frame["y"].to_numpy(), bicubic, LEAST_SPAN[quality])
    step = done.loc[on_step, [cost, quality]].drop_duplicates().sort_values(cost)
    return ParetoData(
        cost=cost,
        quality=quality,
        other_cost=other_cost,
        points=frame,
        step=step.set_axis(["x", "y"], axis=1),
        bicubic=bicubic,
        gate=next((gate.limit for gate in gates if gate.name == quality), None),
        networks=pd.DataFrame(columns=["network", "cost", "counted", "own"])
        if networks is None
        else networks,
        range=(floor, top),
        below=int((frame["y"] < floor).sum()),
        left_out=int((~kept).sum()),
    )


def complete(trials: pd.DataFrame, cost: str, quality: str = "psnr_y") -> pd.DataFrame:
    """Returns the complete trials that have a value of `quality` and a positive value of `cost`."""
    if cost not in trials:
        return trials.head(0).assign(**{cost: pd.Series(dtype=float)})
    return trials[(trials["state"] == "complete") & trials[quality].notna() & (trials[cost] > 0)]


def front_of(
    trials: pd.DataFrame, objectives: dict[str, Direction], gates: Gates = ()
) -> NDArray[np.bool_]:
    """Returns a mask (N,) of the trials on the Pareto front of those that pass the `gates`.

    `objectives` that `trials` lack are ignored. Without any objective, no trial is on the front.
    """
    known = {name: way for name, way in objectives.items() if name in trials}
    if not known:
        return np.zeros(len(trials), bool)
    points = trials[list(known)].to_numpy(float, copy=True)
    points[~passing(trials, gates)] = np.nan  # a point with a NaN is on no front
    return front_mask(points, list(known.values()))


def thin(wanted: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Returns a mask (N,) of the points to keep: all `wanted` points and at most `most` others.

    The others are chosen at random with a fixed seed. When points are appended, the choice changes little, so a live
    figure does not flicker.
    """
    kept = wanted.copy()
    others = np.flatnonzero(~wanted)
    if len(others) > most:
        drawn = np.random.default_rng(0).random(len(wanted))[others]
        others = others[np.argpartition(drawn, most)[:most]]
    kept[others] = True
    return kept


def hover_texts(trials: pd.DataFrame) -> list[str]:
    """Returns the hover text of each trial: architecture, sweep and number, then one line per quality and cost.

    If `trials` has a column published_as, the hover text also names the published network that a trial trained.
    """
    numeric = map(str, trials.select_dtypes("number").columns)
    names = [n for n in numeric if n not in NOT_SHOWN]
    order = ["psnr_y", "psnr_y_int8", "ssim_y", "params", "multadds"]
    shown = [n for n in order if n in names] + [n for n in names if n not in order]
    named = ["published_as"] if "published_as" in trials else []
    rows = trials[["number", "sweep", "label", *shown, *named]].to_dict("records")
    texts = []
    for row in rows:
        title = escaped(str(row["label"])).replace(" ", "<br>  ", 1)
        lines = [
            escaped(f"{heading(name)} {cell(name, row[name])}")
            for name in shown
            if not pd.isna(row[name])
        ]
        if row.get("published_as"):
            lines.append(f"same network as {escaped(row['published_as'])}, trained by us")
        where = f"{escaped(row['sweep'])}, trial {row['number']}"
        texts.append("<br>".join([f"<b>{title}</b>", where, *lines]))
    return texts


def draw_pareto(data: ParetoData, others: Sequence[ParetoData] = ()) -> Figure:
    """Draws PSNR or SSIM against a cost on a logarithmic axis.

    The area of a bubble shows the cost that is not on the axis. A strip below the plot shows the costs of published networks. `others`
    are further sweeps with the same cost and quality. If there are any, a colour stands for a sweep and not for a family.
    """
    layers = [data, *others]
    points = pd.concat([layer.points for layer in layers])
    low, high = log_range(points["x"].tolist())
    ranges = [layer.range for layer in layers if len(layer.points)] or [data.range]
    floor, top = min(ends[0] for ends in ranges), max(ends[1] for ends in ranges)
    of_layers = [
        [_step_trace(layer.step, 10**high), *family_traces(layer.points, points)]
        if len(layer.points)
        else []
        for layer in layers
    ]
    names = [next(iter(layer.points["sweep"]), "") for layer in layers]
    traces = layered(list(zip(names, of_layers, strict=True))) if others else of_layers[0]
    layout = base_layout(headings([data.cost])[data.cost], QUALITY_TITLES[data.quality])
    layout["xaxis"] |= log_axis(low, high)
    layout["yaxis"] |= {"range": [floor, top]}
    if strip := strip_traces(data.networks, low, high):
        traces += strip
        layout["xaxis"]["anchor"] = "y2"
        layout["yaxis"]["domain"] = [0.17, 1]
        layout["yaxis2"] = STRIP_AXIS
    levels = {"bicubic": data.bicubic, "gate": data.gate}
    drawn = {n: at for n, at in levels.items() if at is not None and floor <= at <= top}
    if drawn:
        layout["shapes"] = [level_line(at) for at in drawn.values()]
        layout["annotations"] = [level_note(f"{n} {at:.2f}", at) for n, at in drawn.items()]
    return {"data": traces, "layout": layout | axes_of(data.cost, data.quality)}


def family_traces(points: pd.DataFrame, among: pd.DataFrame | None = None) -> list[Figure]:
    """Returns one trace per family. Points on the front are opaque and outlined, the others are pale.

    `among` holds all points of the figure, including `points`. Traces that are made with the same `among` use the same
    symbol, colour and scale of sizes for each family.
    """
    among = points if among is None else among
    largest = float(among["area"].max()) if len(among) else 1.0
    kind = "scattergl" if len(among) > MANY_POINTS else "scatter"
    ceiling, pale = (24, 0.5) if len(among) <= 300 else (14, 0.32)
    places = {family: index for index, family in enumerate(sorted(among["family"].unique()))}
    traces = []
    for family, own in points.groupby("family", sort=True):
        index = places[str(family)]
        own = own.sort_values("on_front")  # draws the front on top
        front = own["on_front"].to_numpy()
        size = np.sqrt(own["area"] / largest) * ceiling
        bars = {"error_y": _error_bars(own["spread"])} if own["spread"].notna().any() else {}
        traces.append(
            {
                "type": kind,
                "mode": "markers",
                "name": escaped(family),
                "x": own["x"].tolist(),
                "y": own["y"].tolist(),
                "text": own["text"].tolist(),
                "customdata": own["key"].tolist(),
                "hovertemplate": "%{text}<extra></extra>",
                **bars,
                "marker": {
                    "size": np.maximum(size, 5).round(1).tolist(),
                    "color": FAMILY_COLOURS[index % len(FAMILY_COLOURS)],
                    "symbol": family_symbol(index),
                    "opacity": np.where(front, 0.95, pale).tolist(),
                    "line": {"width": np.where(front, 1.4, 0.3).tolist(), "color": INK},
                },
            }
        )
    return traces


def family_symbol(index: int) -> str:
    """Returns the symbol of a family. `index` is its position, from 0, among the figure's families sorted by name."""
    # From the eighth family on, a colour comes back with another symbol.
    return FAMILY_SYMBOLS[(index + index // len(FAMILY_COLOURS)) % len(FAMILY_SYMBOLS)]


def _error_bars(spread: "pd.Series[float]") -> Figure:
    """Returns vertical bars of one standard deviation. A point of unknown spread has none."""
    return {
        "type": "data",
        "array": spread.fillna(0.0).tolist(),
        "thickness": 1,
        "width": 3,
        "color": INK,
    }


def _step_trace(step: pd.DataFrame, right: float) -> Figure:
    """Returns the line of the best PSNR up to each cost, extended to the right edge."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [*step["x"], max(right, step["x"].max())],
        "y": [*step["y"], step["y"].iloc[-1]],
        "line": {"shape": "hv", "width": 1.6, "color": INK},
        "hoverinfo": "skip",
    }
