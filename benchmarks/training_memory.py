"""Compares the predicted memory of a training step with torch's peak memory.

    python -m benchmarks.training_memory 2>/dev/null      # 3 minutes on one core; hides kineto's messages

The first published network of every family takes a step with a small batch, in bfloat16 and in float32. The network
runs unchanged, as on a GPU. The rewrites for CPUs (`sweeps.train.fast_cpu.graph_rewrites`) are left out, because they
need less memory. On a CPU, torch's profiler records each allocation. On a GPU, the allocator reports its own peak.
Neither number includes memory that a process already holds before training, such as the interpreter and CUDA's context.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import table
from benchmarks.record import Record
from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from sweeps.capacity.memory_model import Load, step_bytes, weight_bytes
from sweeps.device import pick_device
from sweeps.train.optimizer import make_optimizer, set_rate

BATCH, PATCH = 4, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = Record("training-memory", batch=BATCH, patch=PATCH)
    for family in (FAMILIES[name] for name in options.families):
        published = family.published[0]
        chosen = Architecture(family=family, spec=published.spec)
        for lowered in (True, False):
            load = Load(scale=published.scale, batch_size=BATCH, patch_size=PATCH, bfloat16=lowered)
            predicted, measured = predicted_step(chosen, load), measured_step(chosen, load)
            record.add(
                network=published.name,
                scale=load.scale,
                precision="bfloat16" if lowered else "float32",
                parameters=costs(chosen, load.scale)["params_train"],
                predicted_bytes=predicted,
                measured_bytes=measured,
                ratio=round(predicted / measured, 2),
            )
            print(record.rows[-1], flush=True)
    print(record.path, *table.training_memory(record.rows), sep="\n")


def predicted_step(architecture: Architecture, load: Load) -> int:
    """Returns the predicted bytes of weights, moments and activations."""
    return weight_bytes(costs(architecture, load.scale), load) + step_bytes(architecture, load)


def measured_step(architecture: Architecture, load: Load) -> int:
    """Returns the peak bytes of all tensors during the second step, including weights and moments."""
    network = architecture.network(load.scale).train()
    take_step = _step(network, load)
    take_step()
    network.zero_grad(set_to_none=True)
    if next(network.parameters()).device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        take_step()
        return torch.cuda.max_memory_allocated()
    # Without `acc_events`, torch does not build its tree of events, which takes longer than the step.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        take_step()
    held = 3 * 4 * sum(parameter.numel() for parameter in network.parameters())
    return held + _peak(profiled)


def _step(network: nn.Module, load: Load) -> Callable[[], None]:
    """Returns the step of `sweeps.train.step.make_update` without the rewrites for CPUs."""
    device = pick_device("auto")
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(network)
    set_rate(optimizer, 1e-9)
    sides = (load.patch_size, load.patch_size * load.scale)
    pixels = [torch.zeros((load.batch_size, 3, side, side), dtype=torch.uint8) for side in sides]
    autocast = torch.autocast(
        device.type, torch.bfloat16, enabled=load.bfloat16, cache_enabled=False
    )

    def take_step() -> None:
        low_res, high_res = (
            patches.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)
            for patches in pixels
        )
        with autocast:
            super_res = network(low_res)
        loss = nn.functional.l1_loss(super_res.float(), high_res)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return take_step


def _peak(profiled: profile) -> int:
    """Returns the largest number of bytes that were in use at the same time."""
    assert profiled.profiler is not None
    results: Any = profiled.profiler.kineto_results
    events = [event for event in results.events() if event.name() == "[memory]"]
    changes = [(event.start_ns(), event.nbytes()) for event in events]
    live = peak = 0
    for _, change in sorted(changes):
        live += change
        peak = max(peak, live)
    return peak


if __name__ == "__main__":
    main()
