"""Finds the tensors of a converted network whose ranges were learnt in training with simulated rounding.

Converters rename layers, merge them with their neighbours and change the order of their dimensions. So a convolution is
recognised by its weights. A convolution that a converter has changed is not recognised, and its ranges are calibrated.

Example: the training has learnt ranges for the convolutions `head` (input: the image, which has no learnt range; output:
[0, 2]) and `tail` (input: [0, 2]; output: [-1, 1]). The converter names the tensors a, b and c, and adds 0.5 to the bias
of `tail`:

    convolution of the file     weights of     bias         learnt ranges
    a -> b                      head           unchanged    b: [0, 2]
    b -> c                      tail           changed      b: [0, 2], c: none, because c has other values than in training
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.export.target import Job
from searchspace.rounding import Grid, Learnt


@dataclass(frozen=True)
class Convolution:
    """A convolution of a converted network."""

    weight: NDArray[np.float32]
    """The weights, in torch's order of dimensions."""
    bias: NDArray[np.float32] | None
    """The bias (output channels,). None stands for zeros."""
    source: str
    """Name of the input tensor in the converted network. '' if the tensor has no range."""
    result: str
    """Name of the output tensor, behind a ReLU if the runtime computes both in one step. ''
    if the tensor has no range."""


def learnt_grids(
    convolutions: Iterable[Convolution], job: Job, *, all_of_them: bool = False
) -> dict[str, Grid]:
    """Returns the learnt grids by the names of the tensors in the converted network.

    `convolutions` must yield every convolution of the converted network, in the order in which they run. If several
    layers have equal weights, the first one in the file is the first one in `job.learnt`. If a tensor is the output of
    one convolution and the input of another, the grid of the input is kept.

    Raises ValueError if no convolution is recognised, or with `all_of_them` if one of `job.learnt` is missing.
    """
    layers, grids = _Layers(job), dict[str, Grid]()
    for each in convolutions:
        found = layers.take(each.weight)
        if found is None:
            continue
        learnt, bias = found
        if learnt.result is not None and each.result and _equal(bias, each.bias):
            grids.setdefault(each.result, learnt.result)
        if learnt.source is not None and each.source:
            grids[each.source] = learnt.source
    missing = layers.left()
    if job.learnt and len(missing) == len(job.learnt):
        raise ValueError("has none of the convolutions whose ranges were learnt in training")
    if missing and all_of_them:
        raise ValueError(f"lacks a convolution with the weights {missing[0]}")
    return grids


def limits(grid: Grid) -> tuple[float, float]:
    """Returns the smallest and the largest value of a grid."""
    return -grid.zero_point * grid.scale, (255 - grid.zero_point) * grid.scale


class _Layers:
    """The layers of a job that have learnt ranges, each with its bias."""

    def __init__(self, job: Job) -> None:
        self._waiting: dict[bytes, list[tuple[Learnt, NDArray[np.float32] | None]]]
        self._waiting = defaultdict(list)
        state = job.network.state_dict()
        for each in job.learnt:
            bias = state.get(f"{each.name}.bias")
            weight = state[f"{each.name}.weight"].numpy()
            self._waiting[_key(weight)].append((each, None if bias is None else bias.numpy()))

    def take(self, weight: NDArray[np.float32]) -> tuple[Learnt, NDArray[np.float32] | None] | None:
        """Returns the next layer with this weight and its bias. None if no such layer is left."""
        waiting = self._waiting.get(_key(weight))
        return waiting.pop(0) if waiting else None

    def left(self) -> list[str]:
        """Returns the names of the weights of all layers that were not taken."""
        return [f"{each.name}.weight" for waiting in self._waiting.values() for each, _ in waiting]


def _key(weight: NDArray[np.float32]) -> bytes:
    return repr(weight.shape).encode() + np.ascontiguousarray(weight, np.float32).tobytes()


def _equal(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> bool:
    if one is None or other is None:
        return not any(each is not None and each.any() for each in (one, other))
    return np.array_equal(one, other)
