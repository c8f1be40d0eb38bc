"""The learning-rate schedule of many super-resolution papers: the rate halves at regular intervals."""

from sweeps.train.schedules.timetable import Timetable


def halve(training: Timetable, step: int) -> float:
    """Returns a share that starts at 1 and halves every `halve_every` steps."""
    return 0.5 ** (step // training.halve_every)
