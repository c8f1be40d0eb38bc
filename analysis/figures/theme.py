"""Defines how figures look: colours, fonts, axes. A figure is a plain dict for plotly.js."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from searchspace.quantity import format_quantity, round_numbers
from sweeps.messages import visible

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

Figure = dict[str, Any]
"""A figure, or a part of one such as a trace, an axis or an annotation, as plotly.js takes it."""

INK, MUTED, GRID = "#1d2733", "#66717d", "#e6e9ec"
FAMILY_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6a51a3")
"""Colours of families: the palette of Okabe and Ito, which colour-blind people can tell apart, and a purple."""
FAMILY_SYMBOLS = ("circle", "square", "triangle-up", "cross", "hexagon", "star", "triangle-down")
"""Symbols of families, which tell the families apart without colour."""
SYMBOL_TEXTS = dict(zip(FAMILY_SYMBOLS, "●■▲✚⬢★▼", strict=True))
"""The same symbols as characters."""
PUBLISHED_COLOUR = "#8a5a2b"
"""Colour of published networks."""
RUNNING = "#009e73"
"""Colour of trials that are being trained."""
FINE_TICKS: tuple[tuple[float, ...], ...] = (
    tuple(n / 10 for n in range(10, 100)),
    tuple(n / 5 for n in range(5, 50)),
    tuple(n / 2 for n in range(2, 20)),
    (1, 1.5, 2, 3, 4, 5, 6, 8),
)
"""First digits of the ticks of a logarithmic axis that spans less than a decade, the finest first."""
MOST_TICKS = 7
"""Largest number of ticks with FINE_TICKS."""
FIT = Path(__file__).with_name("fit.js")
"""Path of the script with which the report and the dashboard fit a figure to a narrow screen."""
SCROLL = """
.scroll { overflow: auto; background:
  linear-gradient(90deg, #fff 30%, #fff0) 0 0 / 40px 100% no-repeat local,
  linear-gradient(270deg, #fff 30%, #fff0) 100% 0 / 40px 100% no-repeat local,
  linear-gradient(90deg, #1d273338, #1d273300) 0 0 / 14px 100% no-repeat scroll,
  linear-gradient(270deg, #1d273338, #1d273300) 100% 0 / 14px 100% no-repeat scroll, #fff; }
"""
"""CSS for tables that are wider than the screen. A shadow marks each side towards which the table can still scroll."""
FONT = {
    "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "size": 13,
    "color": INK,
}


def escaped(text: object) -> str:
    """Escapes `text`, which comes from data, so that plotly.js shows it unchanged.

    plotly.js reads tags such as <b> and <a> in every text, and replaces %{...} in the templates of hover texts. It does
    not decode entities for quotes, so quotes are not escaped.
    """
    return html.escape(visible(str(text)), quote=False).replace("%{", "%&#123;")


def as_plotly(figure: Figure, title: str) -> "PlotlyFigure":
    """Returns `figure` as a plotly object, with the plain text `title` above it."""
    from plotly.graph_objects import Figure as PlotlyFigure  # takes half a second

    made = PlotlyFigure(figure)
    margin = made.layout.margin.t or 0
    return made.update_layout(
        title={
            "text": escaped(title),
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 12},
        },
        margin={"t": margin + 40},
    )


def base_layout(x_title: str, y_title: str) -> Figure:
    """Returns the layout of a figure with these axis titles, in plain text, and with the legend above the plot."""
    axis = {
        "gridcolor": GRID,
        "linecolor": MUTED,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": GRID,
        "automargin": True,
    }
    return {
        "font": FONT,
        # Wide enough for titles and most labels: plotly.js draws all points once more if it has to widen a margin.
        "margin": {"l": 68, "r": 14, "t": 40, "b": 58},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "#ffffff",
        "xaxis": axis | {"title": {"text": escaped(x_title), "standoff": 8, "font": {"size": 13}}},
        "yaxis": axis | {"title": {"text": escaped(y_title), "standoff": 6, "font": {"size": 13}}},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12},
        },
        "hoverlabel": {"align": "left", "bgcolor": "#ffffff", "font": {"size": 12, "color": INK}},
        "hovermode": "closest",
        "dragmode": "zoom",
    }


def without_legend(layout: Figure) -> Figure:
    """Returns `layout`, which `base_layout` has made, without the room above the plot that a legend would need."""
    return layout | {"margin": layout["margin"] | {"t": 14}}


def log_axis(low: float, high: float) -> Figure:
    """Returns a logarithmic axis from 10**low to 10**high with a few readable ticks."""
    coarse: tuple[float, ...] = (
        (1, 2, 5) if high - low <= 1.6 else (1, 3) if high - low <= 2.6 else (1,)
    )
    for digits in (*FINE_TICKS, coarse) if high - low <= 0.8 else (coarse,):
        values = round_numbers(10 ** (low - 1), 10 ** (high + 1), digits)
        inside = [value for value in values if low <= np.log10(value) <= high]
        if len(inside) <= MOST_TICKS:
            break
    return {
        "type": "log",
        "range": [low, high],
        "tickvals": inside,
        "ticktext": [format_quantity(value) for value in inside],
        "tickangle": 0,
    }


def counting_axis(highest: float) -> Figure:
    """Returns an axis for whole numbers up to `highest`, without ticks at fractions."""
    ticks = {"dtick": 1} if highest <= 12 else {}
    return {"tickformat": "~s" if highest >= 10_000 else ",d", **ticks}


def log_range(values: Sequence[float]) -> tuple[float, float]:
    """Returns log10 of both ends of an axis that fits the positive `values`, with some room on both sides."""
    positive = [value for value in values if value > 0]
    if not positive:
        return 3.0, 6.0
    low, high = np.log10(min(positive)), np.log10(max(positive))
    room = max(0.06 * (high - low), 0.12)
    return float(low - room), float(high + room)


def quality_range(
    values: NDArray[np.float64], bicubic: float | None, least: float = 0.1
) -> tuple[float, float]:
    """Returns both ends of an axis for the PSNR or SSIM `values` and the value of `bicubic`, in one unit.

    `least` is the smallest part of the axis that the better values fill.

    The lowest 5 % of the values, and bicubic, stay outside the axis if they are far below the rest, because they would
    squeeze the other points together.
    """
    if len(values) == 0:
        return 20.0, 40.0
    top, typical = float(np.max(values)), float(np.quantile(values, 0.05))
    span = max(top - typical, least)
    floor = max(float(np.min(values)), typical - span)
    if bicubic is not None and floor - 0.6 * span <= bicubic < floor:
        floor = bicubic
    room = 0.06 * (top - floor) + 0.1 * least
    return floor - room, top + room


def level_line(value: float) -> Figure:
    """Returns a shape of plotly.js: a dotted horizontal line across the figure at `value` on the y axis."""
    line = {"color": MUTED, "width": 1, "dash": "dot"}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "line": line,
    }


def level_note(text: str, value: float, side: Literal["left", "right"] = "right") -> Figure:
    """Returns an annotation of plotly.js: `text` at one end of the line that `level_line` returns for `value`."""
    return {
        "text": text,
        "xref": "paper",
        "x": 1 if side == "right" else 0.01,
        "xanchor": side,
        "y": value,
        "yanchor": "bottom",
        "showarrow": False,
        "bgcolor": "rgba(255,255,255,0.75)",
        "font": {"size": 11, "color": MUTED},
    }


def nothing_yet(text: str) -> Figure:
    """Returns an annotation of plotly.js: `text` in the middle of an empty figure."""
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    return {"text": text, "font": {"size": 13, "color": MUTED}} | place


def plotly_source() -> str:
    """Returns the source text of plotly.js from the installed package plotly."""
    from plotly.offline import get_plotlyjs  # takes half a second, and only pages need it

    return get_plotlyjs()
