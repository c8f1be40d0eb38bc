"""Computes and draws the training cost of trials, in GPU-hours or core-hours."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.figures.theme import (
    RUNNING,
    Figure,
    base_layout,
    counting_axis,
    escaped,
    nothing_yet,
    without_legend,
)
from analysis.figures.trial_keys import trial_keys
from searchspace.errors import UserError
from searchspace.quantity import parse_quantity
from sweeps.yaml_text import read_stored

STATE_LOOK = {
    "complete": ("#0072b2", "circle"),
    "stopped": ("#e69f00", "triangle-down"),
    "failed": ("#d55e00", "x"),
    "running": (RUNNING, "circle-open"),
    "paused": ("#8a94a0", "circle-open"),
}
"""Colour and symbol of trials in each state."""
MOST_TRIALS = 2_000
"""Largest number of trials that are drawn."""


MOST_OF_ONE = 1e6
"""Largest number of cores or GPUs of one trial that is considered plausible."""


def spend_unit(texts: Iterable[str]) -> tuple[str, float]:
    """Returns the unit of training cost, and how many of these units one trial costs per hour of training.

    `texts` are the sweep files of all runs. If eight trials share a GPU, the result is ('GPU-hours', 0.125). For trials
    with four cores, the result is ('core-hours', 4.0) if they use no GPU or if their share of a GPU is `auto`. If there
    is no run, or the runs used different resources, the result is ('hours', 1.0).
    """
    found = {_resources(text) for text in texts}
    if len(found) != 1:
        return "hours", 1.0
    cpu, gpu = found.pop()
    return ("GPU-hours", gpu) if gpu > 0 else ("core-hours", cpu)


def _resources(text: str) -> tuple[float, float]:
    """Returns the (cores, GPUs) that one trial uses, read from the text of a sweep file.

    The text may come from another person's database. An implausible number counts as missing.
    """
    try:
        sweep: Any = read_stored(text) if text else None
    except UserError:
        sweep = None
    given = sweep.get("resources") if isinstance(sweep, dict) else None
    given = given if isinstance(given, dict) else {}
    # Under `auto`, the share of a GPU depends on the machine and is not in the text, so cores are counted instead.
    return _number(given.get("cpu", 1), 1.0), _number(given.get("gpu", "auto"), 0.0)


def _number(written: object, otherwise: float) -> float:
    """Returns the number `written`, or `otherwise` if that is not a number from 0 to MOST_OF_ONE."""
    try:
        number = float(parse_quantity(written))
    except UserError:
        return otherwise
    return number if 0 <= number <= MOST_OF_ONE else otherwise


def draw_spend(trials: pd.DataFrame, unit: str) -> Figure:
    """Draws the training cost of each trial over the number of the trial, with one trace per state.

    `trials` has the columns sweep, number, state, label and spent (training cost in `unit`). Trials without any cost
    are left out. The cost axis is logarithmic if the costs differ by a factor of 20 or more.
    """
    spent = trials[trials["spent"] > 0]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": state,
            "x": own["number"].tolist(),
            "y": [float(f"{value:.4g}") for value in own["spent"]],
            "text": [escaped(label) for label in own["label"]],
            "customdata": trial_keys(own),
            "hovertemplate": f"trial %{{x}}, {state}<br>%{{text}}<br>%{{y:.3~g}} {unit}<extra></extra>",
            "cliponaxis": False,
            "marker": {"size": 6, "color": colour, "symbol": symbol, "opacity": 0.75},
        }
        for state, (colour, symbol) in STATE_LOOK.items()
        if len(own := spent[spent["state"] == state])
    ]
    layout = base_layout("number of the trial", f"{unit} per trial")
    layout["xaxis"] |= {"rangemode": "tozero"} | counting_axis(spent["number"].max())
    layout["yaxis"] |= {"type": "log", "tickformat": "~g", "dtick": 1, "minor": {"showgrid": True}}
    if len(spent) and spent["spent"].max() < 20 * spent["spent"].min():
        layout["yaxis"] |= {"type": "linear", "rangemode": "tozero", "dtick": None, "minor": None}
    layout["legend"]["itemsizing"] = "constant"
    if len(traces) < 2:  # plotly.js names a single trace nowhere
        layout = without_legend(layout)
    if spent.empty:
        layout["annotations"] = [nothing_yet("no trial has ended yet")]
    return {"data": traces, "layout": layout}


def every(total: int, most: int = MOST_TRIALS) -> int:
    """Returns the smallest stride k such that taking every k-th of `total` trials leaves at most `most` trials."""
    return -(-total // most) if total else 1


def hours(spent: float, unit: str) -> str:
    """Returns `spent` with its unit as text. `unit` ends in 'hours'; small amounts are given in minutes or seconds."""
    if spent >= 1:
        return f"{spent:,.2f} {unit}"
    part, factor = ("minutes", 60) if spent >= 1 / 60 else ("seconds", 3600)
    return f"{spent * factor:.1f} {unit.replace('hours', part)}"


def fitting(spent: "pd.Series[float]", unit: str) -> tuple["pd.Series[float]", str]:
    """Returns the costs `spent` in a fitting unit, and the name of this unit.

    `unit` is the unit of `spent` and ends in 'hours'. It is kept if a cost reaches one hour. Otherwise the result is in
    minutes, or in seconds if no cost reaches a minute.
    """
    most = spent.max() if len(spent) else 0.0
    if not most or most >= 1:
        return spent, unit
    part, factor = ("minutes", 60) if most >= 1 / 60 else ("seconds", 3600)
    return spent * factor, unit.replace("hours", part)
