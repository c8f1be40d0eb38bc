"""Learning-rate schedules by name. To add one, write a file here and add it to SCHEDULES.

A schedule is a function of the training settings and the step, from 0. It returns the share of the largest
learning rate, between 0 and 1. It must depend on nothing else, so that a resumed training repeats its rates.
"""

from collections.abc import Callable, Mapping

from sweeps.train.schedules.constant import constant
from sweeps.train.schedules.cosine import cosine
from sweeps.train.schedules.cosine_restarts import cosine_restarts
from sweeps.train.schedules.halve import halve
from sweeps.train.schedules.one_cycle import one_cycle
from sweeps.train.schedules.timetable import Timetable

Schedule = Callable[[Timetable, int], float]

SCHEDULES: Mapping[str, Schedule] = {
    "constant": constant,
    "halve": halve,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "cosine_restarts": cosine_restarts,
}
