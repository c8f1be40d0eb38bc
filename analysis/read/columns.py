"""Tells the columns of `load_trials` apart by their names: which hold costs, and which of these are times."""

from analysis.read.database import LATENCY, QUALITIES
from searchspace.cost import COSTS
from searchspace.predicted import PREDICTED_LATENCY
from sweeps.measure.ntire import RULES


def is_latency(name: str) -> bool:
    """Returns whether the column `name` holds a latency in milliseconds: a measured or a predicted one.

    The quartiles of a latency (`spread_columns`) do not count.
    """
    return name.startswith(LATENCY) or name == PREDICTED_LATENCY


def is_cost(name: str) -> bool:
    """Returns whether the column `name` holds a cost, where less is better: a counted cost, a latency or NTIRE's score."""
    return name in COSTS or name in RULES or is_latency(name)


def is_measured(name: str) -> bool:
    """Returns whether the column `name` holds a quality on the validation split, or a cost."""
    return name in QUALITIES or is_cost(name)
