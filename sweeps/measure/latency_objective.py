"""Latency as an objective or a budget of a sweep. Each trial measures it once, on its machine, before it trains.

All latencies of a sweep have one key: runtime, precision, size, threads and device. The first stored latency sets
it. A machine with another key is refused, since its latencies could not be compared.
"""

from dataclasses import dataclass

import torch

from searchspace.architecture import Architecture
from searchspace.cost import low_res_size
from searchspace.errors import UserError
from searchspace.layers import deployed
from sweeps.measure.latency import PREFIX, Latency, torch_latency
from sweeps.records import Measurement

LATENCY = "latency"
"""The name in `objectives` and `budget` of a sweep file, in milliseconds."""
FACT = "latency"
"""Name of the stored fact that holds the key of the sweep's latencies."""


class TooSlow(Exception):  # noqa: N818 - reads as what happened
    """The network's latency exceeds the sweep's budget."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The order to a trial to measure its latency first."""

    key: str = ""
    """The key that this machine's latencies must have. Empty: the trial may set it."""
    limit: float | None = None
    """Largest latency in milliseconds with which the network is trained. None: no limit."""


def parse_milliseconds(written: object) -> float:
    """Parse milliseconds, written as a number or as '30 ms'. Raises UserError for anything else."""
    text = str(written).strip().removesuffix("ms").strip().replace("_", "")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if isinstance(written, bool) or not 0 < value < float("inf"):
        raise UserError(f"must be milliseconds above 0, such as '30 ms', got {written!r}")
    return value


def key_of(measurement: Measurement) -> str:
    """The key of a latency: how, and on which device, it was measured. Only latencies of one key are compared."""
    return f"{measurement.name} on {measurement.dataset}"


def is_timing(measurement: Measurement) -> bool:
    """Whether the sweep measured this latency. One that was measured after training has a step above 0."""
    return measurement.step == 0 and measurement.name.startswith(PREFIX)


def time_network(
    candidate: Architecture, scale: int, device: torch.device, threads: int
) -> Measurement:
    """Measure the median latency in milliseconds of the deployed network in torch and float32, for a 1280x720 output."""
    network = deployed(candidate.network(scale))
    found: Latency = torch_latency(network, low_res_size(scale), device=device, threads=threads)
    setting = found.setting
    return Measurement(step=0, dataset=setting.dataset, name=setting.name, value=found.median)


def another_key(found: str, key: str) -> str:
    """Say in one line why a machine is refused."""
    return (
        f"latency: this machine measures {found!r}, but the sweep's latencies are {key!r}; latencies of different "
        "devices cannot be compared: give each kind of machine its own sweep"
    )


def refuse_slow(measured: Measurement, limit: float | None) -> None:
    """Raise TooSlow if the latency exceeds `limit`, in milliseconds."""
    if limit is not None and measured.value > limit:
        raise TooSlow(f"latency: {measured.value:.1f} ms, above the budget of {limit:g} ms")
