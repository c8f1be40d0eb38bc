"""Describes how the trials of a sweep ended, based on the state and the error that the database holds for each trial."""

import re
from collections import Counter

import pandas as pd

from sweeps.messages import reason_of

STATES = ("complete", "stopped", "failed", "running", "paused")
"""States of trials, in the order in which the page lists them."""
KINDS = {
    re.compile(r"^latency: .* above the budget"): "above the latency budget",
    re.compile(r"\bthe loss (is|has diverged)\b"): "because training diverged",
    re.compile(r"\bmemory\b|MemoryError", re.IGNORECASE): "for lack of memory",
    re.compile(r"hours_per_attempt"): "at the time limit",
}
"""Words for each kind of error, by a pattern of the error's line."""
HALVED = "early by halving"
"""Words for a stopped trial without an error. Halving stores none."""
OTHER = "for other reasons"


def states_in_words(trials: pd.DataFrame) -> str:
    """Returns the numbers of trials by state, such as '4 complete, 2 stopped early by halving, 1 failed'.

    `trials` has the columns state and error. Trials that an error ended are counted by the kind of their error.
    """
    kinds: dict[str, Counter[str]] = {}
    for state, error in zip(trials["state"], trials["error"], strict=True):
        kinds.setdefault(str(state), Counter())[_kind(str(state), str(error))] += 1
    order = [*(state for state in STATES if state in kinds), *sorted(set(kinds) - set(STATES))]
    return ", ".join(_counted(state, kinds[state]) for state in order)


def _kind(state: str, error: str) -> str:
    """Returns words that say how a trial in `state` ended, or '' if the state alone says it or the kind of error is unknown."""
    if state not in ("stopped", "failed"):
        return ""
    line = reason_of(error)
    if state == "stopped" and not line:
        return HALVED
    return next((words for pattern, words in KINDS.items() if pattern.search(line)), "")


def _counted(state: str, kinds: "Counter[str]") -> str:
    if len(kinds) == 1:
        (kind,) = kinds
        return f"{kinds.total():,} {state} {kind}".rstrip()
    each = sorted(kinds.items(), key=lambda item: (not item[0], -item[1]))
    return f"{kinds.total():,} {state} ({', '.join(f'{n:,} {kind or OTHER}' for kind, n in each)})"
