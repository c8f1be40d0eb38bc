"""What a sweep cost: hours of GPUs or of processor cores, by trial and in total."""

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
"""Colour and symbol of a trial's state."""
MOST_TRIALS = 2_000
"""Drawn about at most."""


def spend_unit(texts: Iterable[str]) -> tuple[str, float]:
    """What an hour of a trial counts as, and how many of it: ('GPU-hours', 0.125) where eight share a GPU.

    `texts` are those of a sweep's runs. Of trials without a GPU it is the cores that they take. Plain hours where
    no text is stored, or where runs took different resources.
    """
    found = {_resources(text) for text in texts}
    if len(found) != 1:
        return "hours", 1.0
    cpu, gpu = found.pop()
    return ("GPU-hours", gpu) if gpu > 0 else ("core-hours", cpu)


def _resources(text: str) -> tuple[float, float]:
    """(cores, GPUs) of one trial, by a sweep's text."""
    sweep: Any = yaml.safe_load(text) if text else None
    given = sweep.get("resources") if isinstance(sweep, dict) else None
    given = given if isinstance(given, dict) else {}
    gpu = given.get("gpu", "auto")
    # The share under auto depends on the machine, and the text does not have it: the cores count.
    return float(given.get("cpu", 1)), 0.0 if gpu == "auto" else float(gpu)


def draw_spend(trials: pd.DataFrame, unit: str) -> Figure:
    """`spent` [unit] of each trial by its number, on a log axis, one trace a state.

    `trials` have number, state, label and spent; a trial that has spent nothing yet is left out.
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
    layout = base_layout("trial", f"{unit} of a trial")
    layout["xaxis"] |= {"rangemode": "tozero"} | counting_axis(spent["number"].max())
    layout["yaxis"] |= {"type": "log", "tickformat": "~g", "dtick": 1, "minor": {"showgrid": True}}
    if len(spent) and spent["spent"].max() < 20 * spent["spent"].min():
        layout["yaxis"] |= {"type": "linear", "rangemode": "tozero", "dtick": None, "minor": None}
    layout["legend"]["itemsizing"] = "constant"
    if spent.empty:
        layout["annotations"] = [nothing_yet("no trial has ended yet")]
    return {"data": traces, "layout": layout}


def every(total: int, most: int = MOST_TRIALS) -> int:
    """The k of which every k-th of `total` trials are at most `most`."""
    return -(-total // most) if total else 1


def hours(spent: float, unit: str) -> str:
    """`spent` [unit, a kind of hours] for people: in minutes or seconds where it is little."""
    if spent >= 1:
        return f"{spent:,.2f} {unit}"
    part, factor = ("minutes", 60) if spent >= 1 / 60 else ("seconds", 3600)
    return f"{spent * factor:.1f} {unit.replace('hours', part)}"
