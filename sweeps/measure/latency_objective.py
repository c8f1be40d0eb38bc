"""Latency as an objective or a budget of a sweep: measured once a trial, before it is trained, on its machine.

All latencies of a sweep are of one key (runtime, precision, size, threads and device); the first one stored
is the sweep's. A machine with another is refused, never compared.
"""

from dataclasses import dataclass

import torch

from searchspace.architecture import Architecture
from searchspace.cost import low_res_size
from searchspace.layers import deployed
from sweeps.measure.latency import PREFIX, Latency, torch_latency
from sweeps.records import Measurement

LATENCY = "latency"
"""In `objectives` and `budget` of a sweep file; milliseconds."""
FACT = "latency"
"""Name of the sweep's fact that keeps its key."""


class TooSlow(Exception):  # noqa: N818 - reads as what happened
    """The network takes longer than the sweep's budget allows."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """An order to a trial to measure its latency first."""

    key: str = ""
    """The sweep's, that this machine must have; '' where the trial may set it."""
    limit: float | None = None
    """Largest latency [ms] with which it is worth training."""


def parse_milliseconds(written: object) -> float:
    """Milliseconds written as a number or as '30 ms'; ValueError for anything else."""
    text = str(written).strip().removesuffix("ms").strip().replace("_", "")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if isinstance(written, bool) or not 0 < value < float("inf"):
        raise ValueError(f"must be milliseconds above 0, such as '30 ms', got {written!r}")
    return value


def key_of(measurement: Measurement) -> str:
    """What a latency may only be compared within: how, and on which device, it was measured."""
    return f"{measurement.name} on {measurement.dataset}"


def is_timing(measurement: Measurement) -> bool:
    """Whether it is a latency that the sweep measured, not one that was added to a trained network."""
    return measurement.step == 0 and measurement.name.startswith(PREFIX)


def time_network(
    candidate: Architecture, scale: int, device: torch.device, threads: int
) -> Measurement:
    """The median latency [ms] of the deployed network for a 1280x720 output, in torch and float32."""
    network = deployed(candidate.network(scale))
    found: Latency = torch_latency(network, low_res_size(scale), device=device, threads=threads)
    setting = found.setting
    return Measurement(step=0, dataset=setting.dataset, name=setting.name, value=found.median)


def another_key(found: str, key: str) -> str:
    """Why a machine is refused, in one line."""
    return (
        f"latency: this machine measures {found!r}, the sweep's is {key!r}; latencies of different devices "
        "are not compared: give each kind of machine a sweep of its own"
    )


def refuse_slow(measured: Measurement, limit: float | None) -> None:
    """Raise TooSlow where a network is over the sweep's limit [ms]."""
    if limit is not None and measured.value > limit:
        raise TooSlow(f"latency: {measured.value:.1f} ms, above the budget of {limit:g} ms")
