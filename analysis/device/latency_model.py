"""Models the latency on one device, learnt from the measured latencies of a few dozen networks.

The predicted latency is a sum over the kinds of operators (`searchspace.operators`): the amount in the network times a
rate. No rate is negative. Example: a phone needs 0.2 ms for 1e6 Mult-Adds of 3x3 convolutions, 0.1 ms for 1e6 elements
of activations, and 2 ms for each run. For the network in the docstring of `searchspace.operators`, the model predicts
0.2 * 423 + 0.1 * 0.9 + 2 = 86.7 ms.

The rates minimise the sum of the squared relative errors, so that small networks count as much as large ones. scipy's
non-negative least squares finds them (Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23). The
reported error comes from cross-validation: each network is predicted by a model that was fitted without it.

A device computes several channels in parallel (`lanes` of `searchspace.operators`), but it does not report how many.
The model uses the number in LANES that gives the smallest cross-validation error. For the reported error, this choice
is repeated for each network without that network's latency. Otherwise the reported error would be too small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from analysis.device.design import table_of
from searchspace.architecture import Architecture
from searchspace.errors import UserError
from searchspace.operators import UNITS
from sweeps.measure.device_latency import DeviceSetting
from sweeps.measure.latency_model import LANES, RUN, LatencyModel

LEAST = 8
"""Minimum number of networks to learn a model from."""
FOLDS = 10
"""Number of parts into which networks are split to choose the number of lanes."""


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A model, with the measured and the predicted latency of each network."""

    model: LatencyModel
    measured: NDArray[np.float64]
    """Measured latency of each network in milliseconds."""
    predicted: NDArray[np.float64]
    """Predicted latency of each network in milliseconds, from a model that was fitted without the network."""

    @property
    def errors(self) -> NDArray[np.float64]:
        """The relative error of each prediction: 0.05 if the prediction is 5 % too high."""
        return self.predicted / self.measured - 1


def learn(
    setting: DeviceSetting, networks: Sequence[Architecture], scale: int, measured: Sequence[float]
) -> Learnt:
    """Returns a model of the latencies `measured` [ms] of distinct `networks` at `scale`.

    Raises UserError if there are fewer than LEAST networks.
    """
    if len(networks) < LEAST:
        raise UserError(
            f"{setting.name} on {setting.device}: a model needs latencies of at least {LEAST} networks, got {len(networks)}"
        )
    times = np.array(measured)
    size = (setting.height, setting.width)
    columns = {lanes: _columns(networks, scale, size, lanes) for lanes in LANES}
    lanes = _best(columns, times)
    rates = _fit(columns[lanes], times)
    without = np.empty(len(times))
    for place in range(len(times)):
        others = np.arange(len(times)) != place
        chosen = _best({each: table[others] for each, table in columns.items()}, times[others])
        without[place] = columns[chosen][place] @ _fit(columns[chosen][others], times[others])
    errors = np.abs(without / times - 1)
    model = LatencyModel(
        setting=setting,
        lanes=lanes,
        rates=dict(zip((*UNITS, RUN), map(float, rates), strict=True)),
        networks=len(networks),
        shortest=float(times.min()),
        longest=float(times.max()),
        median_error=float(np.median(errors)),
        high_error=float(np.quantile(errors, 0.9)),
        scale=scale,
    )
    return Learnt(model=model, measured=times, predicted=without)


def _columns(
    networks: Sequence[Architecture], scale: int, size: tuple[int, int], lanes: int
) -> NDArray[np.float64]:
    """Returns the amounts that the rates multiply: (networks, kinds + 1). The last column is that of RUN."""
    return np.column_stack([table_of(networks, scale, size, lanes), np.ones(len(networks))])


def _best(columns: Mapping[int, NDArray[np.float64]], times: NDArray[np.float64]) -> int:
    """Returns the number of lanes with the smallest mean error in a cross-validation with FOLDS parts."""
    part = np.arange(len(times)) % FOLDS
    errors = {}
    for lanes, table in columns.items():
        predicted = np.empty(len(times))
        for own in range(min(FOLDS, len(times))):
            predicted[part == own] = table[part == own] @ _fit(
                table[part != own], times[part != own]
            )
        errors[lanes] = float(np.abs(predicted / times - 1).mean())
    return min(errors, key=errors.__getitem__)


def _fit(columns: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the non-negative rates that minimise the sum of the squared relative errors."""
    relative = columns / times[:, None]
    # The amounts differ by factors up to 1e9. With equal scales, the solver's tolerances suit all of them.
    scales = np.linalg.norm(relative, axis=0)
    scales[scales == 0] = 1
    rates, _ = nnls(relative / scales, np.ones(len(times)))
    return np.asarray(rates / scales)
