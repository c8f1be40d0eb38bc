"""Marks the chosen variants in a figure of PSNR against a cost."""

from analysis.choose.tiers import Chosen
from analysis.figures.theme import INK, Figure


def mark(figure: Figure, chosen: Chosen, cost: str) -> None:
    """Adds a ring around each chosen variant to `figure`, which shows PSNR against `cost`.

    The label of a ring is the limit of its tier. The PSNR axis is extended to make room for the labels.
    """
    floor, top = figure["layout"]["yaxis"]["range"]
    figure["layout"]["yaxis"]["range"] = [floor, top + 0.1 * (top - floor)]
    rows = chosen.frame.loc[[s.row for s in chosen.selections if s.row is not None]]
    # WebGL draws above SVG, so rings in SVG would lie under points that WebGL draws.
    by_webgl = any(trace["type"] == "scattergl" for trace in figure["data"])
    figure["data"].append(
        {
            "type": "scattergl" if by_webgl else "scatter",
            "mode": "markers+text",
            "name": "chosen",
            "x": rows[cost].tolist(),
            "y": rows["psnr_y"].tolist(),
            "text": [s.rule.rpartition("<=")[2].strip() for s in chosen.selections],
            "textposition": "top left",
            "textfont": {"size": 11, "color": INK},
            "hoverinfo": "skip",
            **({} if by_webgl else {"cliponaxis": False}),
            "marker": {"symbol": "circle-open", "size": 32, "color": INK, "line": {"width": 1.6}},
        }
    )
