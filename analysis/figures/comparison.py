"""Draws published networks and our trials on the same test set, with different marks."""

import numpy as np
import pandas as pd

from analysis.figures.pareto import hover_texts
from analysis.figures.theme import (
    FAMILY_COLOURS,
    PUBLISHED_COLOUR,
    Figure,
    base_layout,
    escaped,
    log_axis,
    log_range,
)
from analysis.figures.trial_keys import axes_of, trial_keys
from analysis.tables import heading
from searchspace.quantity import format_quantity


def draw_test_set(trials: pd.DataFrame, published: pd.DataFrame, cost: str, dataset: str) -> Figure:
    """Draws PSNR on the test set `dataset` against `cost`, for published networks and for our trials.

    `published` is the data frame that `published_points` returns. It holds the PSNR values that papers print. Of our
    `trials`, only those that were measured on the test set are drawn. The legend names the training set of each group
    of points, because points of different groups must not be ranked against each other.
    """
    column = f"{dataset}_psnr_y"
    ours = (
        trials[trials[column].notna() & (trials[cost] > 0)] if column in trials else trials.head(0)
    )
    traces = []
    known = published["train_data"] != ""
    for own, name, symbol in (
        (published[known], "published, trained on DIV2K", "diamond"),
        (published[~known], "published, trained as in its paper", "diamond-open"),
    ):
        if len(own):
            traces.append(_published_trace(own, name, symbol))
    for index, (train_data, group) in enumerate(ours.groupby("train_data")):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"ours, trained on {escaped(str(train_data).partition(':')[0] or 'unknown images')}",
                "x": group[cost].tolist(),
                "y": group[column].tolist(),
                "text": hover_texts(group),
                "customdata": trial_keys(group),
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {"size": 9, "color": FAMILY_COLOURS[index % len(FAMILY_COLOURS)]},
            }
        )
    low, high = log_range([*published["cost"], *ours[cost]])
    points = pd.DataFrame(
        {
            "x": np.log10([*published["cost"], *ours[cost]]),
            "y": [*published["psnr_db"], *ours.get(column, [])],
        }
    )
    traces.append(_label_trace(published, points, high - low))
    layout = base_layout(heading(cost), f"PSNR-Y on {dataset}, dB")
    layout["xaxis"] |= log_axis(low, high)
    return {"data": traces, "layout": layout | axes_of(cost, column)}


def _label_trace(published: pd.DataFrame, points: pd.DataFrame, span: float) -> Figure:
    """Returns a trace that writes names above published points, where there is room. Networks with a known training set
    are named first.
    """
    order = published.sort_values(["train_data", "psnr_db"], ascending=False)
    order = order.drop_duplicates(["network", "cost"])
    # Half of the height of a name and a mark together, estimated for the plot's usual height on a page.
    rise = 0.05 * max(float(np.ptp(points["y"])), 0.1)
    at = np.column_stack([np.log10(order["cost"]), order["psnr_db"] + 1.2 * rise])
    halves = [span * 0.0075 * (len(name) + 1) for name in order["network"]]
    named: list[int] = []
    for i, half in enumerate(halves):
        others = [j for j in named if abs(at[i, 0] - at[j, 0]) < half + halves[j]]
        crowded = any(abs(at[i, 1] - at[j, 1]) < 1.6 * rise for j in others)
        beside = (points["x"] - at[i, 0]).abs() < half
        if not crowded and not (beside & ((points["y"] - at[i, 1]).abs() < rise)).any():
            named.append(i)
    return {
        "type": "scatter",
        "mode": "text",
        "name": "published, names",
        "meta": "wide only",
        "x": [10 ** at[i, 0] for i in named],
        "y": [float(at[i, 1]) for i in named],
        "text": [escaped(order["network"].iloc[i]) for i in named],
        "textfont": {"size": 11, "color": PUBLISHED_COLOUR},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _published_trace(own: pd.DataFrame, name: str, symbol: str) -> Figure:
    rows = own.fillna({"ssim": 0}).to_dict("records")
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": own["cost"].tolist(),
        "y": own["psnr_db"].tolist(),
        "text": [
            f"<b>{escaped(row['network'])}</b> (published)<br>{row['psnr_db']:.2f} dB"
            f"<br>{format_quantity(row['cost'])}, "
            + ("counted by us" if row["counted"] else "as printed")
            + f"<br>{escaped(row['paper'])} paper, {escaped(row['table'])}"
            for row in rows
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": symbol, "size": 9, "color": PUBLISHED_COLOUR, "line": {"width": 1.4}},
    }
