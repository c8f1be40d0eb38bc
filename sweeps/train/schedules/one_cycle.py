"""One cycle: a short rise, then a long fall."""

import math

from sweeps.train.schedules.timetable import Timetable

RISE = 0.3
"""Share of the training during which the rate rises."""
START = 0.04
"""Share of the largest rate at which the training starts."""


def one_cycle(training: Timetable, step: int) -> float:
    """Rises linearly over the first 30 % of the training, then falls to 0 along half a cosine."""
    done = step / training.steps
    if done < RISE:
        return START + (1 - START) * done / RISE
    return 0.5 * (1 + math.cos(math.pi * (done - RISE) / (1 - RISE)))
