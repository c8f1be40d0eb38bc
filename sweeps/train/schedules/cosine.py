"""Cosine annealing."""

import math

from sweeps.train.schedules.timetable import Timetable


def cosine(training: Timetable, step: int) -> float:
    """Falls from 1 to 0 over the whole training, along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * (step / training.steps)))
