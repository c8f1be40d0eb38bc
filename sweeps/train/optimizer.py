"""The optimizer of a training and its learning rate."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sweeps.train.schedules import SCHEDULES
from sweeps.train.settings import TrainSettings

Rate = Callable[[int], float]
"""The learning rate of a step, counted from 0."""


def make_optimizer(network: nn.Module) -> torch.optim.Adam:
    """Adam (beta 0.9, 0.999) as one fused kernel. On CUDA its state stays on the device, so that a CUDA graph can hold it."""
    on_cuda = next(network.parameters()).device.type == "cuda"
    return torch.optim.Adam(network.parameters(), fused=True, capturable=on_cuda)


def learning_rate_at(settings: TrainSettings, step: int) -> float:
    """The learning rate of step `step`, counted from 0."""
    return settings.learning_rate * SCHEDULES[settings.schedule](settings, step)


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
