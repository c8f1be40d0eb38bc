"""Measures the latency of a network in torch on this machine."""

import torch
from torch import nn

from searchspace.architecture import Architecture
from searchspace.cost import low_res_size
from searchspace.layers import deployed
from sweeps.device import device_model, num_threads, without_tf32
from sweeps.measure.latency import Latency, Setting, measure


def torch_latency(
    network: nn.Module,
    size: tuple[int, int],
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    threads: int = 1,
    limit: float | None = None,
) -> Latency:
    """Returns the latency of a deployed network in torch for one random low-resolution image.

    Moves `network` itself, not a copy, to `device`, converts it to `dtype` and puts it into evaluation mode. `threads`
    has an effect only on a CPU. `measure` explains `limit`, which is in milliseconds.
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

    with torch.inference_mode(), num_threads(threads), without_tf32():
        return measure(run, setting, limit=limit)


def time_network(
    candidate: Architecture,
    scale: int,
    device: torch.device,
    threads: int,
    limit: float | None = None,
) -> Latency:
    """Returns the latency of the deployed network of `candidate` for a 1280x720 output.

    The network runs in torch and float32 with `threads` threads. A latency near `limit`, in milliseconds, is measured
    for longer.
    """
    network = deployed(candidate.network(scale))
    return torch_latency(network, low_res_size(scale), device=device, threads=threads, limit=limit)
