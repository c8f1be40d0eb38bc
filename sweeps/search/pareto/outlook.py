"""Says what the next training of a sweep is expected to bring, from the model of `sampler: pareto`."""

from dataclasses import dataclass

import numpy as np

from searchspace.architecture import Architecture
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.search import ParetoSearch

PROMISING = 0.5
"""A network counts as promising if its expected gain is at least this share of the largest one."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is expected of the untried network with the largest expected gain."""

    architecture: Architecture
    gain: float
    """Expected growth of the hypervolume, as a share of the present hypervolume."""
    scores: tuple[float, float]
    """One standard deviation below and above the predicted score."""
    cost: str
    """The first cost that is minimized, or the first that the sweep focuses on."""
    counted: float
    """The value of `cost` for the network."""
    promising: tuple[float, float]
    """The smallest and the largest value of `cost` among the promising networks."""


def outlook(search: ParetoSearch[Architecture], cost: str) -> Outlook | None:
    """Returns what further training is expected to bring, or None if all feasible networks were tried.

    `cost` names the cost by which the promising networks are described.
    """
    found = search.rate()
    if found is None:
        return None
    (rows, gains, _), belief = found
    best = int(np.argmax(gains))
    candidates = search.candidates
    assert isinstance(candidates, Architectures)
    mean, deviation = belief.models[0].predict(candidates.features(rows[best : best + 1]))
    low, high = belief.models[0].psnr(np.concatenate([mean - deviation, mean + deviation]))
    counted = candidates.table.costs[cost][rows]
    promising = counted[gains >= PROMISING * gains[best]]
    return Outlook(
        architecture=candidates.item(int(rows[best])),
        gain=float(gains[best] / max(belief.budgets.volume, 1e-12)),
        scores=(float(low), float(high)),
        cost=cost,
        counted=float(counted[best]),
        promising=(float(promising.min()), float(promising.max())),
    )
