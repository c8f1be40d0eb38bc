"""What a sweep may still spend, and whose weights it keeps."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import moocore
import numpy as np

from sweeps.config import Direction, SweepConfig
from sweeps.mirror import Mirror
from sweeps.standing import Trial


def spent_steps(trials: Iterable[Trial], config: SweepConfig) -> int:
    """Optimiser steps done or handed out."""
    return sum(
        t.step if t.state in ("stopped", "failed") else config.rungs[t.target] for t in trials
    )


def affordable(trials: Collection[Trial], config: SweepConfig, steps: int) -> bool:
    """Whether so many more optimiser steps are within the search's steps and hours."""
    search = config.search
    if search.steps is not None and spent_steps(trials, config) + steps > search.steps:
        return False
    return search.hours is None or sum(trial.seconds for trial in trials) < search.hours * 3600


def without_weights(trials: Collection[Trial], config: SweepConfig) -> list[Trial]:
    """The trials that have ended and whose training states `search.keep_weights` does not ask for."""
    keep = config.search.keep_weights
    if keep == "all":
        return []
    complete = [trial for trial in trials if trial.state == "complete"]
    kept: list[bool] = [False] * len(complete)
    if keep == "front":
        values = [trial.values(config.scale) for trial in complete]
        kept = non_dominated(values, config.objectives)
    lost = [trial for trial, keeps in zip(complete, kept, strict=True) if not keeps]
    return lost + [trial for trial in trials if trial.state in ("stopped", "failed")]


def non_dominated(
    values: Sequence[Mapping[str, float]], objectives: Mapping[str, Direction]
) -> list[bool]:
    """For each point whether no other is at least as good in all objectives and better in one."""
    if not values:
        return []
    table = np.array([[point[name] for name in objectives] for point in values], np.float64)
    maximized = [direction == "maximize" for direction in objectives.values()]
    kept = moocore.is_nondominated(table, maximise=maximized, keep_weakly=True)
    return [bool(each) for each in kept]


def forget_weights(folder: Path, mirror: Mirror | None = None) -> None:
    """Delete the training states in a trial's folder; what is gone already is no fault."""
    with contextlib.suppress(OSError):
        if mirror is not None:
            mirror.forget()
        for path in folder.glob("attempt-*.pt"):
            path.unlink(missing_ok=True)
