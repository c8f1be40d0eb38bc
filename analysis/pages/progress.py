"""Estimates how far a sweep is, and when it will end. Does not use Dash."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.pages.live import Live
from analysis.read.live_rows import load_ends
from searchspace.errors import UserError
from searchspace.quantity import format_duration, parse_quantity
from sweeps.search.settings import MAX_TRIALS, SearchSettings
from sweeps.yaml_text import read_stored

ENDED = ("complete", "stopped", "failed")
LAST = 50
"""Number of the newest ended trials from which the pace is measured."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many of a sweep's planned trials have ended."""

    ended: int
    planned: int
    """Number of trials that the sweep file asks for; an architecture with three seeds is three trials."""
    seconds_left: float | None
    """Expected time until the last trial ends. None if no driver runs the sweep or no pace is known."""

    @property
    def text(self) -> str:
        """Returns the progress as text, such as '12 of 40 trials have ended · about 25 min left'."""
        text = f"{self.ended:,} of {self.planned:,} trials have ended"
        if self.seconds_left is None:
            return text
        return f"{text} · about {format_duration(self.seconds_left)} left"


def progress_of(live: Live) -> Progress | None:
    """Returns the progress of a sweep. None if its sweep file cannot be read or all planned trials have ended.

    A limit on steps or hours may end the sweep earlier than the estimate says.
    """
    planned = _planned(live.texts[-1]) if live.texts else None
    ended = sum(live.pulse.get(state, 0) for state in ENDED)
    if planned is None or ended >= planned:
        return None
    return Progress(ended=ended, planned=planned, seconds_left=_seconds_left(live, planned - ended))


def _planned(text: str) -> int | None:
    """Returns the number of trials for which a sweep file asks. The text may come from another person's database."""
    try:
        sweep: Any = read_stored(text) if text else None
        if not isinstance(sweep, dict):
            return None
        search = sweep.get("search")
        given = search.get("trials") if isinstance(search, dict) else None
        trials = parse_quantity(SearchSettings().trials if given is None else given)
        seeds = parse_quantity(sweep.get("seeds", 1))
        planned = float(trials) * float(seeds)
    except (UserError, TypeError, ValueError):
        return None
    return int(planned) if 1 <= planned <= MAX_TRIALS else None


def _seconds_left(live: Live, trials: int) -> float | None:
    """Returns the time until `trials` more trials have ended, at the pace of the last ones; None if it is not known."""
    if not live.pulse.get("running"):
        return None
    ends = load_ends(live.url, live.sweep, LAST)
    if len(ends) < 2:
        return None
    span = (ends.max() - ends.min()).total_seconds()
    since = (pd.Timestamp.now("UTC").tz_localize(None) - ends.max()).total_seconds()
    pace = span / (len(ends) - 1)
    if pace <= 0 or since > 10 * pace + 60:
        return None  # its driver seems to be gone
    return max(trials * pace - since, 0.0)
