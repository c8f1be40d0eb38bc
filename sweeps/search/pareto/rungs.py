"""Says what the score of a trial at a rung of halving tells about the score of its full training.

The model of the search predicts the final score before a trial starts, and a rung is worth only what it adds to this
prediction. The trials that were trained in full show how much that is. Each of their final scores is predicted from the
other trials, and so is each of their scores at the rung, with the same kernel. An error is a score minus its prediction,
in units of the predicted standard deviation. If trials that are better at the rung than predicted are also better at
the end than predicted, the two kinds of errors are correlated.

Say the correlation is r, the model predicts mean m and standard deviation s for the end of a trial, and the error of
the trial at the rung is u. The end then has mean m + r s u and variance (1 - r^2) s^2. A rung without correlation
changes nothing. The model learns the same from a hint: a noisy observation of the end, with the value m + s u / r and
the variance (1 / r^2 - 1) s^2.

A worked example, which `test_halving_search.py` checks: r = 0.5, m = 1, s = 0.2 and u = -2 give a mean of 0.8 and a
variance of 0.03. The hint is 0.2 with variance 0.12. The prediction, with variance 0.04, has three times the weight of
the hint: (3 * 1 + 0.2) / 4 = 0.8.
"""

import numpy as np

from sweeps.search.pareto.surrogate import Floats

CAUTION = 2.0
"""Number of standard errors by which the correlation is lowered, because few trials may correlate by chance."""
LARGEST = 1e3
"""Variance of a useless hint. The targets of the model have a variance of about 1."""
BOUND = 3.0
"""Larger errors count as this one in the correlation, so that a single bad training run does not decide it."""
Hints = tuple[Floats, Floats]
"""Targets (N,) of the model, and their variances (N,)."""


def sure_correlation(ends: Floats, rungs: Floats) -> float:
    """Returns the correlation of the errors at the end (M,) and at a rung (M,), less CAUTION standard errors.

    M is above 3. The result is 0 if it would be negative. Fisher's transformation makes the standard error the same for
    all correlations.
    """
    ends, rungs = np.clip(ends, -BOUND, BOUND), np.clip(rungs, -BOUND, BOUND)
    size = float(np.sqrt((ends @ ends) * (rungs @ rungs)))
    found = np.clip(ends @ rungs / max(size, 1e-12), -0.999, 0.999)
    return max(float(np.tanh(np.arctanh(found) - CAUTION / np.sqrt(len(ends) - 3))), 0.0)


def hints(correlation: float, errors: Floats, mean: Floats, deviation: Floats) -> Hints:
    """Returns the hints about the ends of N trials with `errors` (N,) at a rung.

    The model predicts `mean` (N,) and `deviation` (N,), in units of its targets.
    """
    if correlation <= 0:
        return mean, np.full(len(mean), LARGEST)
    variance = np.square(deviation) * (correlation**-2 - 1)
    return mean + deviation * errors / correlation, np.clip(variance, 1e-6, LARGEST)
