"""Latency of one network on one machine: warmed up, repeated, with its spread.

A latency belongs to a device, a runtime, a precision, an image size and a number of threads; all of them
stand in the name of the measurement, so that two can only be compared where they are alike.
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
"""How the names of stored latencies begin."""
MOST_CHARACTERS = 50
"""Of a measurement's name and of its dataset in the database."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Under what a latency was measured."""

    runtime: str
    dtype: str
    height: int
    """Of the low-resolution image."""
    width: int
    threads: int
    device: str
    """Its model, as the machine names it."""

    @property
    def name(self) -> str:
        """The measurement's name in the database: everything but the device."""
        size = f"{self.width}x{self.height}"
        text = f"{PREFIX} {self.runtime} {self.dtype} {size} {self.threads} threads"
        assert len(text) <= MOST_CHARACTERS, text
        return text

    @property
    def dataset(self) -> str:
        """Where the database keeps the device, cut to what a column holds."""
        return self.device[:MOST_CHARACTERS].strip()


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one image takes [ms]."""

    median: float
    lower: float
    """A quarter of the runs were faster."""
    upper: float
    """A quarter of the runs were slower."""
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
    """The latency of `run`, repeated for `seconds` but `least_runs` to `most_runs` times after warming up."""
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
    """The latency of a deployed network in torch for one image (3, height, width) of `size`."""
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
