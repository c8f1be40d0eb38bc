"""Limits on costs that a person sets in the dashboard, and the best network within them. Does not use Dash."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from analysis.choose.select import best_within
from analysis.choose.variants import spread_of, variants
from analysis.pages.live import Live, cost_choices
from analysis.tables import cell, headings
from searchspace.errors import UserError
from searchspace.quantity import round_numbers
from sweeps.messages import visible

NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""The first digits of limits. They are about evenly spaced on a logarithmic axis."""


def limit_steps(live: Live) -> dict[str, list[float]]:
    """Returns the limits that a person can choose for each cost, ascending: round numbers that leave some networks out.

    A cost that hardly varies has no limits to choose from.
    """
    found = {}
    for cost in cost_choices(live):
        values = live.points[cost]
        values = values[values > 0]
        if values.empty:
            continue
        low, high = float(values.min()), float(values.max())
        inside = [value for value in round_numbers(low, high, NICE) if value < high]
        if inside:
            found[cost] = inside
    return found


def known_limits(live: Live, wanted: object) -> dict[str, float]:
    """Returns those limits of `wanted`, which a browser sent, that are positive numbers for costs of the sweep."""
    if not isinstance(wanted, dict):
        return {}
    costs = cost_choices(live)
    return {
        name: float(wanted[name])
        for name in costs
        if isinstance(wanted.get(name), int | float) and 0 < wanted[name] < float("inf")
    }


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best network within limits."""

    key: str
    """SWEEP#NUMBER of its trial; '' if no network is within the limits."""
    text: str
    """The network and its costs, or why there is none."""


@lru_cache(maxsize=16)
def _best(live: Live, limits: tuple[tuple[str, float], ...]) -> Best:
    trials = _candidates(live, dict(limits))
    inside = "within the limits" if limits else "without limits"
    if trials.empty:
        return Best(key="", text=f"No complete trial is {inside}.")
    try:
        frame = variants(trials)
        selection = best_within(frame, dict(limits))
    except UserError as error:  # trials that cannot be compared
        return Best(key="", text=visible(str(error)))
    if selection.row is None:
        return Best(key="", text=f"No complete trial is {inside}.")
    row = frame.loc[selection.row]
    shown = headings(cost_choices(live))  # those of the sliders
    costs = [f"{shown[name]} {cell(name, row[name])}" for name in shown if name in row]
    parts = [str(row["reference"]), f"{row['psnr_y']:.2f} dB", *costs, str(row["label"])]
    return Best(key=str(row["reference"]), text=visible(f"Best {inside}: " + " · ".join(parts)))


def best_inside(live: Live, limits: Mapping[str, float]) -> Best:
    """Returns the network that `srsweep select` chooses within `limits` on costs: the best PSNR, the cheapest of ties."""
    return _best(live, tuple(sorted(limits.items())))


def _candidates(live: Live, limits: Mapping[str, float]) -> pd.DataFrame:
    """Returns those complete trials of which `best_within` may choose one: a few hundred out of 100,000."""
    trials = live.trials
    fits = pd.Series(True, index=trials.index)
    for name, limit in limits.items():
        fits &= trials[name] <= limit
    several = trials["architecture"].duplicated(keep=False)
    repeated = trials[several]
    spread = spread_of(variants(repeated)) if len(repeated) else 0.0
    best = trials.loc[fits & ~several, "psnr_y"].max()
    if not fits.any():
        return trials.head(0)
    return trials[several | (fits & (trials["psnr_y"] >= best - spread))]
