"""Draws how much each knob matters for PSNR and for each cost."""

import pandas as pd

from analysis.figures.knobs import grouped
from analysis.figures.theme import FAMILY_COLOURS, FAMILY_SYMBOLS, Figure, base_layout, escaped
from analysis.tables import headings

MOST_BARS = 14
"""Largest number of knobs that are drawn: those that matter most for any target."""


def knob_values(knobs: pd.DataFrame) -> pd.DataFrame:
    """Returns the values of `knobs` as texts. Many distinct numbers become a few ranges."""
    return pd.DataFrame(
        {name: grouped(knobs[name]).astype(str) for name in knobs}, index=knobs.index
    )


def draw_importance(shares: pd.DataFrame) -> Figure:
    """Draws one row per knob and one mark per target. `shares` is the data frame that `importances` returns."""
    several = shares["family"].nunique() > 1
    names = shares["family"] + " " + shares["knob"] if several else shares["knob"]
    rows = shares.assign(name=names)
    order = rows.groupby("name")["share"].max().sort_values(ascending=False).index[:MOST_BARS]
    shown = headings(rows["target"].unique())
    traces = []
    for index, target in enumerate(shown):
        own = (
            rows[rows["target"] == target].set_index("name")["share"].reindex(order[::-1]).dropna()
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": escaped(shown[target].removesuffix(" dB")),
                "x": own.round(4).tolist(),
                "y": [escaped(name) for name in own.index],
                "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
                "marker": {
                    "size": 11,
                    "color": FAMILY_COLOURS[index % len(FAMILY_COLOURS)],
                    "symbol": FAMILY_SYMBOLS[index % len(FAMILY_SYMBOLS)],
                },
            }
        )
    layout = base_layout("share of the importance of all knobs", "")
    layout["xaxis"] |= {"tickformat": ".0%", "range": [-0.03, 1.03]}
    layout["yaxis"] |= {"dtick": 1, "tickfont": {"size": 11}}
    return {"data": traces, "layout": layout}
