"""Builds the function that takes one optimiser step, as fast as plain PyTorch allows on the device.

On every device, images are channels-last in memory and Adam is fused. On a CPU, freed memory is kept for the next step,
and the slow operators of the network are rewritten (`sweeps.train.fast_cpu.graph_rewrites`). On CUDA, the images stay
on the device if they fit there. Patches are then cut on the device, and the whole step is one CUDA graph
(`sweeps.train.cuda_graph`). Patches that are degraded (`data.degradation`) are cut on the host, and each process logs
this once. Each step returns its loss as a tensor, so that the host need not wait for the GPU.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sweeps.data.patches import PatchSampler
from sweeps.data.resident import resident
from sweeps.device import pick_autocast, sent, without_tf32
from sweeps.machine import keep_freed_memory
from sweeps.train.average import Average
from sweeps.train.cuda_graph import ResidentSteps
from sweeps.train.fast_cpu.graph_rewrites import fused
from sweeps.train.losses import loss_of
from sweeps.train.optimizer import Rate, set_rate
from sweeps.train.settings import TrainSettings

Update = Callable[[Tensor, Tensor], Tensor]
"""A function that updates the weights on a batch (low_res, high_res) and returns the loss as a scalar tensor."""

Step = Callable[[int], Tensor]
"""A function that takes the optimiser step of a given number, counted from 0. It returns the loss as a scalar tensor,
which the next call may overwrite."""

_told_of_degradation = False


def make_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: TrainSettings,
    sampler: PatchSampler,
    rate: Rate,
    average: Average | None = None,
    teacher: nn.Module | None = None,
) -> Step:
    """Returns the function that takes one optimiser step on patches from `sampler` with the learning rate `rate(step)`.

    If the settings have stages, each stage uses a copy of `sampler` with its own patch size. If `average` is given,
    each step updates it too. `teacher` is the result of `sweeps.train.teacher.teacher_of`. In a resumed training run,
    the state of `optimizer` must be loaded before this function is called.
    """
    update = make_update(network, optimizer, settings, average, teacher)

    def of_size(size: int) -> Step:
        own = sampler
        if size != sampler.patch_size:
            own = PatchSampler(sampler.pairs, size, sampler.batch_size, sampler.seed)
        return _make_step(network, optimizer, update, own, rate)

    if settings.patch_stages is None:
        return of_size(sampler.patch_size)
    return _staged(settings, of_size)


def _make_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    update: Update,
    sampler: PatchSampler,
    rate: Rate,
) -> Step:
    """Returns the function that takes one step with `update`, on patches of one size."""
    device = next(network.parameters()).device
    if device.type == "cuda" and _can_be_cut_there(sampler, device):
        return ResidentSteps(update, optimizer, sampler, rate, device)
    keep_freed_memory()

    def take_step(step: int) -> Tensor:
        set_rate(optimizer, rate(step))
        low_res, high_res = sampler.batch(step)
        return update(sent(low_res, device), sent(high_res, device))

    return take_step


def _staged(settings: TrainSettings, of_size: Callable[[int], Step]) -> Step:
    """Returns a step function. The patches of a step have the size of its stage.

    Each stage gets a separate step function, because a CUDA graph works on tensors of fixed shapes. The previous
    stage's function and the memory of its graph are released first.
    """
    size, current = 0, None

    def take_step(step: int) -> Tensor:
        nonlocal size, current
        if (wanted := settings.patch_size_at(step)) != size or current is None:
            current = None
            size, current = wanted, of_size(wanted)
        return current(step)

    return take_step


def _can_be_cut_there(sampler: PatchSampler, device: torch.device) -> bool:
    """Returns whether patches can be cut on `device`.

    Degraded patches cannot be cut on a GPU. Each process warns about this once.
    """
    if sampler.pairs.degradation is None:
        return resident(sampler.pairs, device) is not None
    global _told_of_degradation  # noqa: PLW0603 - once a process
    if not _told_of_degradation:
        _told_of_degradation = True
        warnings.warn(
            "data.degradation: patches are degraded on the host and copied to the GPU at each step, which is slower",
            stacklevel=3,
        )
    return False


def make_update(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: TrainSettings,
    average: Average | None = None,
    teacher: nn.Module | None = None,
) -> Update:
    """Returns a function that updates the weights on a batch (low_res, high_res) and returns the loss as a scalar tensor.

    low_res is uint8 (N, 3, H, W), and high_res is uint8 (N, 3, sH, sW) for scale s. Both are on the network's device.
    """
    parameters = list(network.parameters())
    device = parameters[0].device
    lowered = pick_autocast(settings.computed_precision, device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=lowered, cache_enabled=False)
    criterion = loss_of(settings.loss)
    share = settings.distill.weight if settings.distill is not None else 0.0
    # Simulated rounding must see each tensor that the phone rounds, and a fused operator has fewer of them.
    rewritten = device.type == "cpu" and settings.quantize is None
    forward = fused(network) if rewritten else network

    def update(low_res: Tensor, high_res: Tensor) -> Tensor:
        network.train()
        low_res, high_res = to_float(low_res), to_float(high_res)
        with autocast:
            super_res = forward(low_res)
        super_res = super_res.float()
        loss = criterion(super_res, high_res)
        if teacher is not None:
            with torch.no_grad(), autocast:
                taught = teacher(low_res)
            loss = loss + share * criterion(super_res, taught.float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings.clip_gradient is not None:
            nn.utils.clip_grad_norm_(parameters, settings.clip_gradient)
        optimizer.step()
        if average is not None:
            average.update()
        return loss.detach()

    return update if lowered else without_tf32()(update)


def to_float(batch: Tensor) -> Tensor:
    """Converts uint8 (N, 3, H, W) to float32 in [0, 1].

    The result is channels-last in memory, because training on a CPU is three times faster in that layout.
    """
    return batch.to(torch.float32, memory_format=torch.channels_last).div_(255)
