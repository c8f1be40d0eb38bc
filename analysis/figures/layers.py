"""Puts the points and fronts of several sweeps into one figure, each sweep in a colour of its own."""

from collections.abc import Sequence

from analysis.figures.theme import FAMILY_COLOURS, Figure, escaped

MOST_LAYERS = len(FAMILY_COLOURS)
"""Largest number of sweeps in one figure. Each has a colour of its own."""


def layered(layers: Sequence[tuple[str, Sequence[Figure]]]) -> list[Figure]:
    """Returns the traces of all `layers`, which are pairs of a sweep's name and its traces, at most MOST_LAYERS.

    All traces of a sweep get one colour and one entry in the legend, the name of the sweep. A trace of points keeps its
    symbols. A sweep without traces still uses up a colour, so that the colours of the other sweeps do not change.
    """
    drawn = []
    for (sweep, traces), colour in zip(layers, FAMILY_COLOURS, strict=False):
        named = next((trace for trace in traces if "marker" in trace), None)
        for trace in traces:
            part = "marker" if "marker" in trace else "line"
            look = {part: trace[part] | {"color": colour}, "showlegend": trace is named}
            drawn.append(trace | {"name": escaped(sweep), "legendgroup": escaped(sweep)} | look)
    return drawn
