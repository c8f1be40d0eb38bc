"""The learning-rate schedule of many super-resolution papers: the rate halves at regular intervals."""

from sweeps.train.schedules.timetable import Timetable


def halve(training: Timetable, step: int) -> float:
    """Returns the share of the largest learning rate at `step`: 1 at first, halved after every `halve_every` steps."""
    return 0.5 ** (step // training.halve_every)
