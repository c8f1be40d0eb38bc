"""The latency on a device as a cost that is known before training: rates times the amounts of `searchspace.operators`.

A model of a device (`sweeps.measure.latency_model`) has a rate for each kind of operator. The latency of a network is the
sum of rate times amount over the kinds, and of a constant for each run. Amounts are sums over layers, as Mult-Adds are.
So a table of a whole space (`searchspace.table`) has the predicted latency of every architecture.

Example: with 2e-7 ms for each Mult-Add of 3x3 convolutions and 2 ms for each run, the network in the docstring of
`searchspace.operators` takes 2e-7 * 423,014,400 + 2 = 86.6 ms.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.operators import operators

PREDICTED_LATENCY = "predicted_latency"
"""Name of the predicted latency, in milliseconds, under `objectives`, `budget` and `constraints` of a sweep file."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The time that a device takes for each unit of work of each kind of operator."""

    low_res: tuple[int, int]
    """(height, width) of the input image in pixels."""
    lanes: int
    """Number of channels that the device computes at the same time (see `searchspace.operators`)."""
    per_unit: tuple[tuple[str, float], ...]
    """Milliseconds for one unit of each kind of `searchspace.operators.UNITS`. Kinds that take no time are left out."""
    each_run: float
    """Milliseconds that every run takes, whatever the network."""

    def amounts(self, architecture: Architecture, scale: int) -> NDArray[np.int64]:
        """Returns the amount of each kind of `per_unit` in one forward pass at `scale`: (kinds,)."""
        found = operators(architecture, scale, self.low_res, self.lanes)
        return np.array([found[kind] for kind, _ in self.per_unit], np.int64)

    def milliseconds(self, amounts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns the latencies (N,) of networks with these `amounts` (N, kinds)."""
        total = np.full(len(amounts), self.each_run)
        # One kind after the other, so that a network alone and a row of a table have the same float.
        for place, (_, rate) in enumerate(self.per_unit):
            total += rate * amounts[:, place]
        return total

    def predict(self, architecture: Architecture, scale: int) -> float:
        """Returns the predicted latency of `architecture` at `scale` in milliseconds."""
        return float(self.milliseconds(self.amounts(architecture, scale)[None])[0])


def known_costs(architecture: Architecture, scale: int, rates: Rates | None) -> dict[str, float]:
    """Returns everything that is known about `architecture` before training: its costs, and with `rates` its predicted
    latency.
    """
    counted: dict[str, float] = {**costs(architecture, scale)}
    if rates is not None:
        counted[PREDICTED_LATENCY] = rates.predict(architecture, scale)
    return counted
