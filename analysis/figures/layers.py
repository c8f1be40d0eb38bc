"""Puts the points and fronts of several sweeps into one figure, each sweep in a colour of its own."""

from collections.abc import Sequence

from analysis.figures.theme import FAMILY_COLOURS, Figure, escaped

MOST_LAYERS = len(FAMILY_COLOURS)
"""Largest number of sweeps in one figure. Each has a colour of its own."""


def layered(layers: Sequence[tuple[str, Sequence[Figure]]]) -> list[Figure]:
    """Returns the traces of all `layers`, which are pairs of a sweep's name and its traces, at most MOST_LAYERS.

    The traces of a sweep, points and lines, get one colour and one group in the legend. The legend names the sweep, and
    also the family of the points if the sweep has several. A trace of points keeps its symbols. A sweep without traces
    takes a colour all the same, so that the colours of the others stay as they are.
    """
    return [
        _of_sweep(trace, sweep, colour, families=sum("marker" in other for other in traces))
        for (sweep, traces), colour in zip(layers, FAMILY_COLOURS, strict=False)
        for trace in traces
    ]


def _of_sweep(trace: Figure, sweep: str, colour: str, *, families: int) -> Figure:
    name = escaped(sweep)
    if "marker" not in trace:
        line = trace["line"] | {"color": colour}
        return trace | {"name": name, "legendgroup": sweep, "showlegend": False, "line": line}
    name = f"{name}, {trace['name']}" if families > 1 else name
    return trace | {
        "name": name,
        "legendgroup": sweep,
        "marker": trace["marker"] | {"color": colour},
    }
