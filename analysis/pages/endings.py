"""Describes how the trials of a sweep ended, based on the state and the error that the database holds for each trial."""

import re
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

import moocore
import numpy as np
import pandas as pd

from analysis.choose.pareto import Direction
from analysis.read.database import QUALITIES
from analysis.tables import NO_REASON
from searchspace.errors import UserError
from searchspace.quantity import parse_quantity
from sweeps.messages import reason_of
from sweeps.search.settings import HalvingSettings
from sweeps.yaml_text import read_stored

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
"""Words for a stopped trial without an error. Halving stores no error."""
OTHER = "for other reasons"


def states_in_words(trials: pd.DataFrame, texts: Mapping[str, str] | None = None) -> str:
    """Returns the numbers of trials by state, such as '4 complete, 2 stopped early by halving, 1 failed'.

    `trials` has the columns state and error. Trials that an error ended are counted by the kind of their error. `texts`
    are the newest sweep files by sweep. With them, `trials` also has the columns sweep, seconds and step, and the words
    mention that a limit on training, such as search.hours, may have stopped the trials instead of halving.
    """
    kinds: dict[str, Counter[str]] = {}
    limits = {
        sweep: limit
        for sweep, text in (texts or {}).items()
        if (limit := limit_used_up(trials[trials["sweep"] == sweep], text))
    }
    sweeps = trials["sweep"] if limits else [""] * len(trials)
    for state, error, sweep in zip(trials["state"], trials["error"], sweeps, strict=True):
        kind = _kind(str(state), str(error))
        if kind == HALVED and sweep in limits:
            kind = f"{HALVED} or because {limits[sweep]} was used up"
        kinds.setdefault(str(state), Counter())[kind] += 1
    order = [*(state for state in STATES if state in kinds), *sorted(set(kinds) - set(STATES))]
    return ", ".join(_counted(state, kinds[state]) for state in order)


def _kind(state: str, error: str) -> str:
    """Returns a description of how a trial in `state` ended. '' if the state is description enough, or if the kind of
    error is unknown.
    """
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


def limit_used_up(trials: pd.DataFrame, text: str) -> str:
    """Returns the limit on training that kept halving from promoting further trials; '' if none did.

    `trials` are the trials of one sweep with the columns seconds and step, and `text` is its newest sweep file. The
    limit is 'search.hours' or 'search.steps'.
    """
    try:
        sweep = read_stored(text)
        search = sweep.get("search") if isinstance(sweep, dict) else None
        if not isinstance(search, dict) or not isinstance(search.get("halving"), dict):
            return ""
        halving = HalvingSettings.model_validate(search["halving"])
        hours, steps = (
            None if search.get(name) is None else parse_quantity(search[name])
            for name in ("hours", "steps")
        )
    except (UserError, ValueError):  # pydantic's error is a ValueError
        return ""
    if hours is not None and trials["seconds"].sum() >= 3600 * hours:
        return "search.hours"
    promotion = (halving.factor - 1) * halving.min_steps
    if steps is not None and trials["step"].sum() + promotion > steps:
        return "search.steps"
    return ""


def reasons(
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    texts: Mapping[str, str],
    objectives: Mapping[str, Direction],
) -> "pd.Series[str]":
    """Returns, for each of `trials`, one line with the reason for its ending. '' for complete and running trials.

    `trials` is a data frame of `load_trials`, `curves` one of `load_curves`, and `texts` are the newest sweep files by
    sweep. For a trial that halving did not promote, the line gives the rank at its last step, if `curves` has the
    trial.
    """
    ranks = _ranks(trials, curves, objectives)
    limits = {
        sweep: limit_used_up(trials[trials["sweep"] == sweep], text)
        for sweep, text in texts.items()
    }
    told = [
        _reason(row, ranks.get(row["id"], ""), limits.get(str(row["sweep"]), ""))
        for row in trials[["id", "sweep", "state", "error", "step"]].to_dict("records")
    ]
    return pd.Series(told, index=trials.index, dtype=object)


def _reason(row: Mapping[Hashable, Any], rank: str, limit: str) -> str:
    line = reason_of(str(row["error"]))
    where = f"step {int(row['step']):,}"
    if row["state"] == "stopped" and not line:
        used_up = f"; {limit} was used up" if limit else ""
        return f"halving at {where}{rank}{used_up}"
    if row["state"] == "paused":
        return f"waits at {where}" + (
            f" after: {line}"
            if line
            else "; its sweep was stopped, or halving has paused the trial"
        )
    return "" if row["state"] in ("complete", "running") else line or NO_REASON


def _ranks(
    trials: pd.DataFrame, curves: pd.DataFrame, objectives: Mapping[str, Direction]
) -> dict[int, str]:
    """Returns the ranks of the stopped trials at their last steps, in words, by trial id.

    Each trial is compared with all trials of its sweep that were evaluated at that step. The non-dominated rank, by which
    halving promotes, compares PSNR and the costs that the sweep optimises. Front 1 is the best.
    """
    stopped = trials[(trials["state"] == "stopped") & (trials["error"] == "")]
    costs = [name for name in objectives if name not in QUALITIES and name in trials]
    known = trials.set_index("id")[costs].clip(lower=1e-9)
    told: dict[int, str] = {}
    for (sweep, step), own in stopped.groupby(["sweep", "step"]):
        there = curves[(curves["sweep"] == sweep) & (curves["step"] == step)].set_index("id")
        points = np.column_stack([np.log(known.loc[there.index]), -there["value"]])
        if len(there) < 2 or not np.isfinite(points).all():
            continue
        fronts = moocore.pareto_rank(points)
        fronts = fronts - fronts.min() + 1
        by_psnr = there["value"].rank(ascending=False, method="min").astype(int)
        for id_, front, place in zip(there.index, fronts, by_psnr, strict=True):
            if id_ in set(own["id"]):
                told[int(id_)] = f": front {front} of {fronts.max()}, PSNR {place} of {len(there)}"
    return told
