"""Computes and draws the training cost of trials, in hours of GPUs or of processor cores."""

import html
from collections.abc import Iterable
from typing import Any

import pandas as pd
import yaml

from analysis.figures.theme import RUNNING, Figure, base_layout, counting_axis, nothing_yet

STATE_LOOK = {
    "complete": ("#0072b2", "circle"),
    "stopped": ("#e69f00", "triangle-down"),
    "failed": ("#d55e00", "x"),
    "running": (RUNNING, "circle-open"),
    "paused": ("#8a94a0", "circle-open"),
}
"""Colour and symbol by the state of a trial."""
MOST_TRIALS = 2_000
"""Most trials drawn."""


def spend_unit(texts: Iterable[str]) -> tuple[str, float]:
    """The unit of training cost, and how many of it one hour of a trial uses.

    `texts` are the sweep files of the runs. If eight trials share a GPU, the answer is ('GPU-hours', 0.125). If
    trials use no GPU, or the share is `auto`, it is 'core-hours' and the cores of a trial. If no text is stored or
    the runs used different resources, it is ('hours', 1.0).
    """
    found = {_resources(text) for text in texts}
    if len(found) != 1:
        return "hours", 1.0
    cpu, gpu = found.pop()
    return ("GPU-hours", gpu) if gpu > 0 else ("core-hours", cpu)


def _resources(text: str) -> tuple[float, float]:
    """The (cores, GPUs) of one trial, read from a sweep file's text."""
    sweep: Any = yaml.safe_load(text) if text else None
    given = sweep.get("resources") if isinstance(sweep, dict) else None
    given = given if isinstance(given, dict) else {}
    gpu = given.get("gpu", "auto")
    # The share under auto depends on the machine and is not in the text, so the cores are counted instead.
    return float(given.get("cpu", 1)), 0.0 if gpu == "auto" else float(gpu)


def draw_spend(trials: pd.DataFrame, unit: str) -> Figure:
    """The training cost of each trial over its number, with one trace per state.

    `trials` have the columns number, state, label and spent [unit]. Trials that have spent nothing are left out. The
    cost axis is logarithmic unless the costs differ by less than a factor of 20.
    """
    spent = trials[trials["spent"] > 0]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": state,
            "x": own["number"].tolist(),
            "y": [float(f"{value:.4g}") for value in own["spent"]],
            "text": [html.escape(label) for label in own["label"]],
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
    if spent.empty:
        layout["annotations"] = [nothing_yet("no trial has ended yet")]
    return {"data": traces, "layout": layout}


def every(total: int, most: int = MOST_TRIALS) -> int:
    """The smallest k for which every k-th of `total` trials makes at most `most` trials."""
    return -(-total // most) if total else 1


def hours(spent: float, unit: str) -> str:
    """`spent` in `unit`, a kind of hours, as text; small amounts are given in minutes or seconds."""
    if spent >= 1:
        return f"{spent:,.2f} {unit}"
    part, factor = ("minutes", 60) if spent >= 1 / 60 else ("seconds", 3600)
    return f"{spent * factor:.1f} {unit.replace('hours', part)}"
