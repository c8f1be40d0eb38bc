"""A latency that was measured on another device, such as a phone, by a program that is not srsweep.

It is stored like a latency of this machine: the name of the measurement holds the runtime, the delegate, the precision,
the size and the threads, and the dataset holds the device. Two latencies that differ in any of them have different names.
"""

import math
import re
from dataclasses import dataclass

from searchspace.errors import UserError, shown
from searchspace.quantity import MAX_MILLISECONDS
from sweeps.measure.latency_names import LOWER, PREFIX, RELIABLE, RUNS, UPPER

MOST_CHARACTERS = 100
"""Maximum number of characters in the name of the device, and in the names of runtime and delegate together."""
WORD = re.compile(r"[\w.+()-]+(?: [\w.+()-]+)*")
"""A name of a device, a runtime or a delegate: words with single spaces between them."""
PREDICTED = "predicted"
"""Last word of the delegate in the name of a latency that a model predicts, so that it never mixes with a measured one."""
MOST_THREADS, MOST_SIDE = 1_024, 65_536


@dataclass(frozen=True, kw_only=True)
class DeviceSetting:
    """The conditions of a measurement on a device. The constructor raises UserError for a value that cannot be stored."""

    device: str
    """Name of the device, such as 'Pixel 9'."""
    runtime: str
    """The runtime and its version, such as 'LiteRT 2.3'."""
    delegate: str
    """The part of the device that computes, as the runtime calls it, such as 'cpu', 'xnnpack', 'gpu' or 'npu'."""
    dtype: str
    """The precision of the file, such as 'float32' or 'int8'."""
    width: int
    """Width of the low-resolution image in pixels."""
    height: int
    threads: int

    def __post_init__(self) -> None:
        for name in ("device", "runtime", "delegate", "dtype"):
            value = getattr(self, name)
            if not WORD.fullmatch(value) or len(value) > MOST_CHARACTERS // 2:
                raise UserError(
                    f"{name}: must be words of letters, digits and . + - _ ( ), at most {MOST_CHARACTERS // 2} characters "
                    f"long, got {shown(value)}"
                )
        for name, most in (("width", MOST_SIDE), ("height", MOST_SIDE), ("threads", MOST_THREADS)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise UserError(f"{name}: must be from 1 to {most:,}, got {shown(value)}")

    @property
    def name(self) -> str:
        """Name of the measurement in the database, without its first word. It gives all conditions but the device."""
        # Readers split a name at spaces and underscores, so runtime and delegate are one word.
        runtime, delegate, dtype = (
            "-".join(text.replace("_", " ").split())
            for text in (self.runtime, self.delegate, self.dtype)
        )
        return f"{runtime}/{delegate} {dtype} {self.width}x{self.height} {self.threads} threads"


NAME = re.compile(
    r"(?P<runtime>[^ /]+)/(?P<delegate>[^ /]+) (?P<dtype>[^ ]+) (?P<width>\d+)x(?P<height>\d+) (?P<threads>\d+) threads"
)
"""Matches a name that `DeviceSetting.name` returns."""


def setting_of(name: str, device: str) -> DeviceSetting | None:
    """Returns the setting that `name` describes, with hyphens for spaces; None if `name` does not match NAME."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    return DeviceSetting(
        device=device,
        runtime=match["runtime"],
        delegate=match["delegate"],
        dtype=match["dtype"],
        width=int(match["width"]),
        height=int(match["height"]),
        threads=int(match["threads"]),
    )


@dataclass(frozen=True, kw_only=True)
class DeviceLatency:
    """A latency of one network on a device, in milliseconds."""

    setting: DeviceSetting
    median: float
    lower: float | None = None
    """Lower quartile; None if it is unknown."""
    upper: float | None = None
    runs: float | None = None
    reliable: bool | None = None
    """Whether the program that measured the latency trusts it. None if the program does not tell."""

    def __post_init__(self) -> None:
        _check("latency_ms", self.median)
        _check("lower_ms", self.lower)
        _check("upper_ms", self.upper)
        if (self.lower is None) != (self.upper is None):
            raise UserError("lower_ms, upper_ms: both or neither must be given")
        if self.lower is not None and not self.lower <= self.median <= (self.upper or 0):
            raise UserError(
                f"latency_ms: must lie between lower_ms and upper_ms, got {self.median:g}, {self.lower:g} and {self.upper:g}"
            )
        if self.runs is not None and not (self.runs >= 1 and self.runs == int(self.runs)):
            raise UserError(f"runs: must be a whole number from 1, got {self.runs:g}")

    def rows(self) -> list[tuple[str, str, float]]:
        """Returns the measurements to store, each as (name, dataset, value). The median is the first."""
        values = {
            PREFIX: self.median,
            LOWER: self.lower,
            UPPER: self.upper,
            RUNS: self.runs,
            RELIABLE: self.reliable,
        }
        return [
            (f"{word} {self.setting.name}", self.setting.device, float(value))
            for word, value in values.items()
            if value is not None
        ]


def _check(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and 0 < value <= MAX_MILLISECONDS):
        raise UserError(
            f"{name}: must be milliseconds above 0 and at most {MAX_MILLISECONDS:,}, got {value:g}"
        )
