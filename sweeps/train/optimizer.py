"""The optimizer, and its learning rate at each step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sweeps.train.schedules import SCHEDULES
from sweeps.train.settings import TrainSettings

Rate = Callable[[int], float]
"""A function that returns the learning rate of a step. Steps count from 0."""


def make_optimizer(network: nn.Module) -> torch.optim.Adam:
    """Returns a fused Adam optimizer with betas 0.9 and 0.999.

    On CUDA, its state stays on the device, so that a CUDA graph can record its step.
    """
    on_cuda = next(network.parameters()).device.type == "cuda"
    return torch.optim.Adam(network.parameters(), fused=True, capturable=on_cuda)


def learning_rate_at(settings: TrainSettings, step: int) -> float:
    """Returns the learning rate of `step`, counted from 0."""
    return settings.learning_rate * SCHEDULES[settings.schedule](settings, step)


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Sets the learning rate of every parameter group to `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate
