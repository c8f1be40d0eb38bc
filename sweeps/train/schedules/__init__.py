"""Learning-rate schedules by name. To add one, write a file here and add it to SCHEDULES.

A schedule is a function of the training settings and the number of the step, counted from 0. It returns the learning
rate of that step as a share of the largest learning rate, from 0 to 1. The share must depend on nothing else, so that a
resumed training run uses the learning rates of an uninterrupted one.
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
