"""Looks for better candidates among the neighbours of good ones, in a space with too many to compare them all."""

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from sweeps.search.pareto.candidates import Candidates
from sweeps.search.pareto.surrogate import Floats, Ints

CLIMBERS = 4
"""Number of best candidates whose neighbours are compared next, unless all untried configurations were compared."""
CLIMBS = 6
"""The largest number of rounds in which neighbours of the best candidates are compared."""
Rated = tuple[Ints, Floats, Floats]
"""Rows (N,), their expected gains (N,) and the standard deviations (N,) of the first score's closeness."""


def climbed(
    rated: Rated,
    rate: Callable[[Ints], Rated],
    candidates: Candidates[Any],
    tried: Container[int],
) -> Rated:
    """Rates the neighbours of the best candidates, then the neighbours of the best of these, and so on.

    `tried` holds the rows that cannot be suggested. Returns the given rows and the new ones.
    """
    seen = set(rated[0].tolist())
    climbers = rated[0][np.argsort(-rated[1], kind="stable")[:CLIMBERS]]
    for _ in range(CLIMBS):
        near = {other for row in climbers for other in candidates.neighbours(int(row))}
        new = [row for row in sorted(near - seen) if row not in tried and candidates.allows(row)]
        if not new:
            break
        seen.update(new)
        least = np.sort(rated[1])[-min(CLIMBERS, len(rated[1]))]
        found = rate(np.array(new, np.int64))
        rows, gains, deviations = (np.concatenate(pair) for pair in zip(rated, found, strict=True))
        rated = (rows, gains, deviations)
        order = np.argsort(-found[1], kind="stable")[:CLIMBERS]
        climbers = found[0][order][found[1][order] > least]
    return rated
