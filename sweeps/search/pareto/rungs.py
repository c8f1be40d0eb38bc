"""Predicts the score of a trial's full training from its score at a rung of halving.

The trials that were trained in full have a score at each rung too. For these trials, the closeness at a rung is fitted
as a linear function of the closeness at the end and of the costs. The costs matter because large networks learn more
slowly:

    at the rung = a + b * at the end + c * costs + error

Solved for the end, this gives a hint about a trial that has only reached the rung. The variance of the hint is
var(error) / b^2. An uninformative rung therefore gives uncertain hints, and useless ones if b is 0. The opposite fit,
of the end as a function of the rung, would draw each hint towards the mean of all trials. The model of the search
predicts the end from the features. It would then count this mean twice.

b is estimated from few trials. On average, its square is therefore too large by the squared standard error of b. The
variance of the hint takes this into account.
"""

import numpy as np

from sweeps.search.pareto.surrogate import Floats

LARGEST = 1e3
"""Variance of a useless hint. The targets of the model have a variance of about 1."""
Hints = tuple[Floats, Floats]
"""Targets (N,) of the model, and their variances (N,)."""


def calibrated(ends: Floats, rungs: Floats, costs: Floats, heard: Floats, own: Floats) -> Hints:
    """Returns the hints of N trials that have reached a rung.

    `ends` (M,), `rungs` (M,) and `costs` (M,) describe M > 3 trials that were trained in full: the target of their full
    training, the closeness at the rung, and the mean scaled cost. `heard` (N,) is the closeness of the N trials at the
    rung, and `own` (N,) are their costs.
    """
    said_nothing = np.zeros(len(heard)), np.full(len(heard), LARGEST)
    terms = np.column_stack([np.ones(len(ends)), ends, costs])
    gram = terms.T @ terms + 1e-9 * np.eye(3)
    level, slope, by_cost = np.linalg.solve(gram, terms.T @ rungs)
    errors = rungs - terms @ [level, slope, by_cost]
    variance = max(float(errors @ errors) / (len(ends) - 3), 1e-9)
    squared = slope**2 - variance * float(np.linalg.inv(gram)[1, 1])
    if slope <= 0 or variance >= squared * LARGEST:
        return said_nothing
    hints = (heard - level - by_cost * own) / slope
    return np.clip(hints, -5, 5), np.full(len(heard), variance / squared)
