"""Draws the costs of published networks as marks in the strip below a plot."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.figures.theme import PUBLISHED_COLOUR, Figure, escaped
from searchspace.quantity import format_quantity

STRIP_AXIS: Figure = {
    "domain": [0, 0.13],
    "range": [0, 1],
    "showticklabels": False,
    "showgrid": False,
    "zeroline": False,
    "fixedrange": True,
    "anchor": "x",
}
"""The y axis of the strip. It has no values."""


def strip_traces(networks: pd.DataFrame, low: float, high: float) -> list[Figure]:
    """Returns marks at the costs of published networks, in the strip below the plot, with names where there is room."""
    inside = networks[(networks["cost"] >= 10**low) & (networks["cost"] <= 10**high)]
    if inside.empty:
        return []
    texts = [
        f"<b>{escaped(name)}</b> (published)<br>{format_quantity(cost)}, "
        + ("counted by us" if own else "as printed")
        for name, cost, own in zip(
            inside["network"], inside["cost"], inside["counted"], strict=True
        )
    ]
    common = {"type": "scatter", "yaxis": "y2", "name": "published"}
    ticks = common | {
        "mode": "markers",
        "x": inside["cost"].tolist(),
        "y": [0.25] * len(inside),
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": "line-ns-open",
            "size": 11,
            "line": {"width": 2, "color": PUBLISHED_COLOUR},
            "color": PUBLISHED_COLOUR,
        },
    }
    order = inside.sort_values("own", ascending=False, kind="stable")
    named = spaced(order["network"].tolist(), np.log10(order["cost"]).tolist(), low, high)
    labels = common | {
        "mode": "text",
        "meta": "wide only",
        "x": [10**at for _, at in named],
        "y": [0.75] * len(named),
        "text": [escaped(name) for name, _ in named],
        "textfont": {"size": 11, "color": PUBLISHED_COLOUR},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    return [ticks, labels]


def spaced(
    names: Sequence[str], at: Sequence[float], low: float, high: float
) -> list[tuple[str, float]]:
    """Returns those `names`, with their positions `at`, that fit side by side on an axis from `low` to `high`.

    If two names would overlap, the earlier of them in `names` is kept.
    """
    letter = 0.0075 * (high - low)
    taken: list[tuple[str, float]] = []
    for name, position in zip(names, at, strict=True):
        half = letter * (len(name) + 1)
        inside = low + half <= position <= high - half
        if inside and all(abs(position - p) >= half + letter * (len(n) + 1) for n, p in taken):
            taken.append((name, position))
    return taken
