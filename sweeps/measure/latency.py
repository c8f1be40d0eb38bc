"""Measures the latency of one network on one machine, after a warm-up, with its spread.

A latency belongs to a device, a runtime, a precision, an image size and a number of threads. The name of the
measurement states all of them, so that only like latencies are compared.
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
PREFIX = "latency_ms"
"""The beginning of every stored latency's name."""
MOST_CHARACTERS = 50
"""Characters that the database holds of a measurement's name, and of its dataset."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The conditions of a latency measurement."""

    runtime: str
    dtype: str
    height: int
    """Height of the low-resolution image, in pixels."""
    width: int
    threads: int
    device: str
    """Model name of the processor or GPU."""

    @property
    def name(self) -> str:
        """Name of the measurement in the database: every condition except the device."""
        size = f"{self.width}x{self.height}"
        text = f"{PREFIX} {self.runtime} {self.dtype} {size} {self.threads} threads"
        assert len(text) <= MOST_CHARACTERS, text
        return text

    @property
    def dataset(self) -> str:
        """The device, cut to the width of the database column `dataset`."""
        return self.device[:MOST_CHARACTERS].strip()


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds that one image takes."""

    median: float
    lower: float
    """Lower quartile."""
    upper: float
    """Upper quartile."""
    runs: int
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
    """Time `run`, after `warm_up` calls, for about `seconds`, but `least_runs` to `most_runs` times."""
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
    """Time a deployed network in torch for one image (3, height, width), where `size` is (height, width)."""
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
