"""The optimizer, and its learning rate at each step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sweeps.train.schedules import SCHEDULES
from sweeps.train.settings import TrainSettings

Rate = Callable[[int], float]
"""A function that returns the learning rate of a step. Steps count from 0."""

DECAY = {"adam": 0.0, "adamw": 0.01}
"""The weight decay of each optimizer if the settings give none. These are PyTorch's defaults."""


def make_optimizer(
    network: nn.Module, settings: TrainSettings | None = None
) -> torch.optim.Optimizer:
    """Returns the fused optimizer that the settings name. By default it is Adam with betas 0.9 and 0.999.

    On CUDA, the optimizer's state stays on the device, so that a CUDA graph can record a step.
    """
    settings = settings or TrainSettings()
    on_cuda = next(network.parameters()).device.type == "cuda"
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    decay = settings.weight_decay
    return kind(
        network.parameters(),
        betas=settings.betas,
        weight_decay=DECAY[settings.optimizer] if decay is None else decay,
        fused=True,
        capturable=on_cuda,
    )


def learning_rate_at(settings: TrainSettings, step: int) -> float:
    """Returns the learning rate of `step`, counted from 0.

    In a warm-up of n steps, step 0 uses 1/n of the schedule's learning rate, and step n - 1 uses all of it.
    """
    rate = settings.learning_rate * SCHEDULES[settings.schedule](settings, step)
    return rate * (step + 1) / settings.warmup if step < settings.warmup else rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Sets the learning rate of every parameter group to `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate
