"""Cosine annealing."""

import math

from sweeps.train.schedules.timetable import Timetable


def cosine(training: Timetable, step: int) -> float:
    """Returns the share of the largest learning rate at `step`. It falls from 1 to 0 along half a period of a cosine."""
    return 0.5 * (1 + math.cos(math.pi * (step / training.steps)))
