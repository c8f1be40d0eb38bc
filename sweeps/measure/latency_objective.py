"""Latency as an objective or a budget of a sweep. Each trial measures its latency on its machine before it trains.

All latencies of a sweep must have the same key: runtime, precision, image size, threads and device. The first stored
latency sets the key of the sweep. A machine with another key is refused, because its latencies are not comparable.

A network is refused only if its latency is reliable and surely above the limit: the lower end of the confidence
interval of its median must exceed it. A trial with an unreliable latency trains, and each of its later segments
measures the latency again, until it is reliable.
"""

from dataclasses import dataclass

from sweeps.measure.latency import Latency
from sweeps.measure.latency_names import PREFIX, RELIABLE, WORDS
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
    scores: tuple[str, ...] = ()
    """NTIRE's scores that are objectives. Their baselines are measured too."""


def key_of(measurement: Measurement) -> str:
    """Returns the key of a latency: how and on which device it was measured. Only latencies of one key are compared.

    The other measurements of a latency, such as its quartiles, have the same key.
    """
    first, space, rest = measurement.name.partition(" ")
    word = PREFIX if first in WORDS else first
    return f"{word}{space}{rest} on {measurement.dataset}"


def is_timing(measurement: Measurement) -> bool:
    """Returns whether `measurement` is a latency that a trial measured before its training.

    A latency that was measured after training has a step above 0.
    """
    return measurement.step == 0 and measurement.name.startswith(PREFIX)


def key_in_doubt(measurement: Measurement) -> tuple[str, bool] | None:
    """Returns (key of a latency, whether the latency is unreliable) for a measurement of reliability before training.

    Returns None for any other measurement.
    """
    if measurement.step or measurement.name.partition(" ")[0] != RELIABLE:
        return None
    return key_of(measurement), not measurement.value


def measurements_of(latency: Latency) -> tuple[Measurement, ...]:
    """Returns the measurements of a latency that was measured for the sweep. The first one is the median."""
    return tuple(
        Measurement(step=0, dataset=dataset, name=name, value=value)
        for name, dataset, value in latency.rows()
    )


def another_key(found: str, key: str) -> str:
    """Returns the one-line reason for refusing a machine: its latencies have the key `found` instead of `key`."""
    return (
        f"latency: this machine measures {found!r}, but the sweep's latencies are {key!r}; latencies of different "
        "devices cannot be compared: give each kind of machine its own sweep"
    )


def refuse_slow(latency: Latency, limit: float | None) -> None:
    """Raises TooSlow if `latency` is reliable and surely above `limit`, in milliseconds. None: no limit."""
    if limit is not None and latency.is_reliable and latency.low > limit:
        raise TooSlow(
            f"latency: {latency.median:.1f} ms, above the budget of {limit:g} ms (with 95 % confidence at least "
            f"{latency.low:.1f} ms, {latency.runs} runs)"
        )
