"""Measures the latency of a network on this machine: the median and the quartiles of several runs after a warm-up.

A latency depends on the device, the runtime, the precision, the image size and the number of threads. All five are
stored with the measurement, so that only latencies under equal conditions are compared.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from sweeps.device import device_model, without_tf32

Runtime = Literal["torch", "torch.export", "onnxruntime"]
"""The library that runs the network."""
PREFIX = "latency_ms"
"""The first word in the name of every stored latency."""
MOST_CHARACTERS = 50
"""Number of characters that fit in the database columns for a measurement's name and for its dataset."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The conditions of a latency measurement."""

    runtime: str
    """The library that runs the network, usually one of `Runtime`."""
    dtype: str
    """The precision, such as 'float32' or 'int8'."""
    height: int
    """Height of the low-resolution image, in pixels."""
    width: int
    """Width of the low-resolution image, in pixels."""
    threads: int
    """Processor threads that the network may use; 1 on a GPU."""
    device: str
    """Model name of the processor or GPU."""

    @property
    def name(self) -> str:
        """Name of the measurement in the database. It states all conditions except the device."""
        size = f"{self.width}x{self.height}"
        text = f"{PREFIX} {self.runtime} {self.dtype} {size} {self.threads} threads"
        assert len(text) <= MOST_CHARACTERS, text
        return text

    @property
    def dataset(self) -> str:
        """The device's name, shortened to fit in the database column `dataset`."""
        return self.device[:MOST_CHARACTERS].strip()


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Median and quartiles, over several runs, of the time in milliseconds that a network takes for one image."""

    median: float
    lower: float
    """Lower quartile."""
    upper: float
    """Upper quartile."""
    runs: int
    """Number of runs that were timed."""
    setting: Setting


def measure(
    run: Callable[[], object],
    setting: Setting,
    *,
    warm_up: int = 3,
    least_runs: int = 7,
    most_runs: int = 50,
    seconds: float = 5.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Returns the latency of `run`, which is called again and again and timed with `clock` (in seconds).

    The first `warm_up` calls are not timed. The timed calls stop once they have taken `seconds` in all, but there are
    at least `least_runs` and at most `most_runs` of them. `setting` describes the conditions of the measurement.
    """
    for _ in range(warm_up):
        run()
    times: list[float] = []
    while len(times) < least_runs or (len(times) < most_runs and sum(times) < seconds):
        began = clock()
        run()
        times.append(clock() - began)
    lower, median, upper = (float(1000 * q) for q in np.quantile(times, (0.25, 0.5, 0.75)))
    return Latency(median=median, lower=lower, upper=upper, runs=len(times), setting=setting)


def torch_latency(
    network: nn.Module,
    size: tuple[int, int],
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    threads: int = 1,
) -> Latency:
    """Returns the latency of a deployed network in torch for one random low-resolution image.

    `size` is the image's (height, width) in pixels. The network itself is moved to `device`, converted to `dtype` and
    set to evaluation mode. `threads` has an effect only on a CPU.
    """
    setting = Setting(
        runtime="torch",
        dtype=str(dtype).removeprefix("torch."),
        height=size[0],
        width=size[1],
        threads=threads if device.type == "cpu" else 1,
        device=device_model(device),
    )
    network = network.to(device, dtype).eval()
    low_res = torch.rand((1, 3, *size)).to(device, dtype)

    def run() -> None:
        network(low_res)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.inference_mode(), _threads(threads), without_tf32():
        return measure(run, setting)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
