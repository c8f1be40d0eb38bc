"""A one-cycle schedule: the learning rate rises over a short time, then falls over a long time."""

import math

from sweeps.train.schedules.timetable import Timetable

RISE = 0.3
"""Share of the steps during which the learning rate rises."""
START = 0.04
"""The learning rate of the first step, as a share of the largest learning rate."""


def one_cycle(training: Timetable, step: int) -> float:
    """Returns the share of the largest learning rate at `step`.

    The share rises linearly from 0.04 to 1 in the first 30 % of the steps. After that, it falls to 0 along half a
    period of a cosine.
    """
    done = step / training.steps
    if done < RISE:
        return START + (1 - START) * done / RISE
    return 0.5 * (1 + math.cos(math.pi * (done - RISE) / (1 - RISE)))
