"""The same learning rate at every step."""

from sweeps.train.schedules.timetable import Timetable


def constant(training: Timetable, step: int) -> float:
    """Returns 1, the largest learning rate, at every step."""
    return 1.0
