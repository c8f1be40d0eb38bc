"""Marks the chosen variants in a figure of PSNR against a cost."""

from analysis.choose.tiers import Chosen
from analysis.figures.theme import INK, Figure


def mark(figure: Figure, chosen: Chosen, cost: str, quality: str = "psnr_y") -> None:
    """Adds a ring around each chosen variant to `figure`, which shows `quality` against `cost`.

    The label of a ring is the limit of its tier. The y axis is extended to make room for the labels. A variant whose
    cost or quality was not measured gets no ring.
    """
    floor, top = figure["layout"]["yaxis"]["range"]
    figure["layout"]["yaxis"]["range"] = [floor, top + 0.1 * (top - floor)]
    if not {cost, quality} <= set(chosen.frame):
        return
    known = chosen.frame[[cost, quality]].notna().all(axis=1)
    marked = [s for s in chosen.selections if s.row is not None and known[s.row]]
    rows = chosen.frame.loc[[s.row for s in marked]]
    # WebGL draws above SVG, so rings in SVG would lie under points that WebGL draws.
    by_webgl = any(trace["type"] == "scattergl" for trace in figure["data"])
    figure["data"].append(
        {
            "type": "scattergl" if by_webgl else "scatter",
            "mode": "markers+text",
            "name": "chosen",
            "x": rows[cost].tolist(),
            "y": rows[quality].tolist(),
            "text": [s.rule.rpartition("<=")[2].strip() for s in marked],
            "textposition": "top left",
            "textfont": {"size": 11, "color": INK},
            "hoverinfo": "skip",
            **({} if by_webgl else {"cliponaxis": False}),
            "marker": {"symbol": "circle-open", "size": 32, "color": INK, "line": {"width": 1.6}},
        }
    )
