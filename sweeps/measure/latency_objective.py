"""Latency as an objective or a budget of a sweep. Each trial measures its latency on its machine before it trains.

All latencies of a sweep must have the same key: runtime, precision, image size, threads and device. The first stored
latency sets the key of the sweep. A machine with another key is refused, because its latencies are not comparable.
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
"""Name of the latency, in milliseconds, under `objectives` and `budget` of a sweep file."""
FACT = "latency"
"""Name of the stored fact that holds the key of the sweep's latencies."""


class TooSlow(Exception):  # noqa: N818 - reads as what happened
    """The error of a network whose latency exceeds the sweep's budget."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The instruction to measure a trial's latency before its training."""

    key: str = ""
    """The key that the latency must have. '' allows any key, because the sweep has no latency yet."""
    limit: float | None = None
    """Largest latency, in milliseconds, at which the network is still trained. None means no limit."""


def parse_milliseconds(written: object) -> float:
    """Returns the milliseconds in `written`: a number such as 30, or text such as '30' or '30 ms'.

    Raises UserError for anything else, and for values that are not above 0 or not finite.
    """
    text = str(written).strip().removesuffix("ms").strip().replace("_", "")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if isinstance(written, bool) or not 0 < value < float("inf"):
        raise UserError(f"must be milliseconds above 0, such as '30 ms', got {written!r}")
    return value


def key_of(measurement: Measurement) -> str:
    """Returns the key of a latency: how and on which device it was measured. Only latencies of one key are compared."""
    return f"{measurement.name} on {measurement.dataset}"


def is_timing(measurement: Measurement) -> bool:
    """Returns whether `measurement` is a latency that a trial measured before its training.

    A latency that was measured after training has a step above 0.
    """
    return measurement.step == 0 and measurement.name.startswith(PREFIX)


def time_network(
    candidate: Architecture, scale: int, device: torch.device, threads: int
) -> Measurement:
    """Returns the median latency, in milliseconds, of the deployed network of `candidate` for a 1280x720 output.

    The network runs in torch and float32 with `threads` threads.
    """
    network = deployed(candidate.network(scale))
    found: Latency = torch_latency(network, low_res_size(scale), device=device, threads=threads)
    setting = found.setting
    return Measurement(step=0, dataset=setting.dataset, name=setting.name, value=found.median)


def another_key(found: str, key: str) -> str:
    """Returns one line that says why a machine is refused: its latencies have the key `found` instead of `key`."""
    return (
        f"latency: this machine measures {found!r}, but the sweep's latencies are {key!r}; latencies of different "
        "devices cannot be compared: give each kind of machine its own sweep"
    )


def refuse_slow(measured: Measurement, limit: float | None) -> None:
    """Raises TooSlow if the latency `measured` exceeds `limit`, in milliseconds. None means no limit."""
    if limit is not None and measured.value > limit:
        raise TooSlow(f"latency: {measured.value:.1f} ms, above the budget of {limit:g} ms")
