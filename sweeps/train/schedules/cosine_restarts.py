"""Cosine annealing with warm restarts (SGDR: Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5)."""

import math
from bisect import bisect_right

from sweeps.train.schedules.timetable import Timetable


def cosine_restarts(training: Timetable, step: int) -> float:
    """Returns the share of the largest learning rate at `step`.

    In each cycle, it falls from 1 to 0 along half a cosine period. A cycle ends at each step of `restarts` and at the
    end of the training. With steps = 100 and restarts = (20, 50), there are three cycles, of 20, 30 and 50 steps.
    """
    edges = (0, *(training.restarts or ()), training.steps)
    cycle = min(bisect_right(edges, step), len(edges) - 1)
    within = (step - edges[cycle - 1]) / (edges[cycle] - edges[cycle - 1])
    return 0.5 * (1 + math.cos(math.pi * within))
