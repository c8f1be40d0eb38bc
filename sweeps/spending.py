"""What a sweep may still spend, and whose weights it keeps."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import moocore
import numpy as np

from sweeps.mirror import Mirror
from sweeps.suggest import Direction


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
