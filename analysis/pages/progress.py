"""Estimates how far a sweep is, and when it will end. Does not use Dash."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.pages.live import Live
from analysis.read.live_rows import load_ends, load_seconds
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
    seconds: float
    """Training time of all trials up to now."""
    allowed: float | None
    """Training time after which the sweep ends, from `search.hours`. None if the sweep file has no such limit."""

    @property
    def share(self) -> float:
        """How much of the sweep is done, from 0 to 1: of its trials, or of its training time if that is more."""
        used = self.seconds / self.allowed if self.allowed else 0.0
        return min(1.0, max(self.ended / self.planned, used))

    @property
    def text(self) -> str:
        """Returns the progress as text, such as '12 of 40 trials have ended · about 25 min left'."""
        parts = [f"{self.ended:,} of {self.planned:,} trials have ended"]
        if self.allowed is not None:
            used, allowed = format_duration(self.seconds), format_duration(self.allowed)
            parts.append(f"{used} of {allowed} of training used")
        if self.seconds_left is not None:
            parts.append(f"about {format_duration(self.seconds_left)} left")
        return " · ".join(parts)


def progress_of(live: Live) -> Progress | None:
    """Returns the progress of a sweep. None if its sweep file cannot be read, or if the sweep has ended.

    A limit on steps may end the sweep earlier than the estimate says.
    """
    planned, hours = _planned(live.texts[-1]) if live.texts else (None, None)
    ended = sum(live.pulse.get(state, 0) for state in ENDED)
    if planned is None or ended >= planned:
        return None
    seconds = load_seconds(live.url, live.sweep)
    allowed = None if hours is None else hours * 3600
    running, left = live.pulse.get("running", 0), _seconds_left(live, planned - ended)
    if allowed is not None:
        if seconds >= allowed and not running:
            return None
        if left is not None:
            left = min(left, max(0.0, allowed - seconds) / max(1, running))
    return Progress(
        ended=ended, planned=planned, seconds_left=left, seconds=seconds, allowed=allowed
    )


def _planned(text: str) -> tuple[int | None, float | None]:
    """Returns the number of trials for which a sweep file asks, and its limit on hours; None if not known.

    The text may come from another person's database.
    """
    try:
        sweep: Any = read_stored(text) if text else None
        if not isinstance(sweep, dict):
            return None, None
        found = sweep.get("search")
        search: dict[str, Any] = found if isinstance(found, dict) else {}
        given, hours = search.get("trials"), search.get("hours")
        trials = parse_quantity(SearchSettings().trials if given is None else given)
        seeds = parse_quantity(sweep.get("seeds", 1))
        planned = float(trials) * float(seeds)
        most = None if hours is None else float(parse_quantity(hours))
    except (UserError, TypeError, ValueError):
        return None, None
    return int(planned) if 1 <= planned <= MAX_TRIALS else None, most if most and most > 0 else None


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
