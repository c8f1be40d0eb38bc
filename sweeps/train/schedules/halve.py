"""The learning rate of the papers: halved at regular intervals."""

from sweeps.train.schedules.timetable import Timetable


def halve(training: Timetable, step: int) -> float:
    """Halves the rate every `halve_every` steps."""
    return 0.5 ** (step // training.halve_every)
