"""Names the trial behind each point of a figure, so that the dashboard can mark one trial in all figures."""

import pandas as pd

from analysis.figures.theme import Figure


def trial_keys(trials: pd.DataFrame) -> list[str]:
    """Returns the key SWEEP#NUMBER of each of the `trials`, in the spelling that commands take."""
    return [
        f"{sweep}#{number}" for sweep, number in zip(trials["sweep"], trials["number"], strict=True)
    ]


def axes_of(x: str, y: str) -> Figure:
    """Returns the part of a layout that says which columns of trials the figure has on its axes.

    The dashboard shades what lies beyond a limit on these columns.
    """
    return {"meta": {"x": x, "y": y}}
