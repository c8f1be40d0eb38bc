"""A tiny network, tiny training settings, and comparisons of trainings."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sweeps.records import Evaluation
from sweeps.train.settings import TrainSettings

SETTINGS = TrainSettings(steps=12, patch_size=8, batch_size=2, evaluate_every=4, device="cpu")


class Tiny(nn.Module):
    """Two convolutions and a pixel shuffle, x2."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.tail = nn.Conv2d(8, 12, 3, padding=1)
        self.factor = 1.0

    def forward(self, x: Tensor) -> Tensor:
        shuffled = nn.functional.pixel_shuffle(self.tail(torch.relu(self.head(x))), 2)
        return self.factor * shuffled


def until(generator: Iterator[Any], stop_at: int | None) -> Iterator[Any]:
    for record in generator:
        yield record
        if record.step == stop_at:
            return


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def flat(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def without_seconds(records: list[Any]) -> list[tuple[int, str, float]]:
    return [
        (m.step, m.name, m.value)
        for record in records
        if isinstance(record, Evaluation)
        for m in record.measurements
        if m.name != "seconds"
    ]
