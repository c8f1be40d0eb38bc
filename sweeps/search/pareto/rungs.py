"""What the score of a trial at a rung of halving says about the score of its full training.

The trials that were trained in full have a score at each rung too. Over these trials, the closeness at a rung is
fitted as a linear function of the closeness at the end and of the costs, because large networks learn more slowly:

    at the rung = a + b * at the end + c * costs + error

Solved for the end, this gives a hint about a trial that has only reached the rung. The variance of the hint is
var(error) / b^2. A hint is thus the less certain, the less the rung says, and it says nothing if b is 0. The opposite
fit, of the end as a function of the rung, would draw each hint towards the mean of all trials. The model of the
search, which predicts the end from the features, would then count this mean twice.

Because b is estimated from few trials, its square is too large on average by the squared standard error of b. The
variance of the hint takes this into account.
"""

import numpy as np

from sweeps.search.pareto.surrogate import Floats

LARGEST = 1e3
"""Variance of a hint that says nothing, where the targets of the model have a variance of about 1."""
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
