"""A training function for srsweep: a plain loop of PyTorch. docs/training.md explains it."""

from collections.abc import Iterator

import torch
from torch import Tensor

from srsweep import TrainingJob


def train(job: TrainingJob) -> Iterator[Tensor]:
    """Trains with SGD, momentum and a loss on edges beside L1. Yields the loss of each step."""
    optimizer = torch.optim.SGD(
        job.network.parameters(), lr=job.settings.learning_rate, momentum=0.9, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, job.settings.steps)
    job.keep(optimizer=optimizer, scheduler=scheduler)
    for step in job.steps:
        low_res, high_res = job.batch(step)
        super_res = job.network(low_res)
        loss = (super_res - high_res).abs().mean()
        for axis in (2, 3):
            loss = loss + 0.1 * (super_res.diff(dim=axis) - high_res.diff(dim=axis)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(job.network.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        yield loss
