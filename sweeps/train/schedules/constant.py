"""The same learning rate at every step."""

from sweeps.train.schedules.timetable import Timetable


def constant(training: Timetable, step: int) -> float:
    """Always the largest rate."""
    return 1.0
