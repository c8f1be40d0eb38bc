"""Measures what the inputs of pool layers and parallel paths contribute, by leaving each of them out.

A feature is left out by replacing each of its channels by the mean of that channel over the image. The network then
lacks the spatial detail of the feature, but not its mean level.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from searchspace.stages import Stages
from sweeps.measure.metrics import psnr_y

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """The effect of leaving out one part of a network."""

    kind: str
    """'pool' for an input of a pool layer or a whole pool layer, 'path' for a parallel path."""
    layer: str
    """The name of the pool layer or of the path."""
    source: str
    """The name of the input. 'whole layer' for the output of the layer or the path."""
    change: float
    """The root mean square of the change of the output image, in levels of 255."""
    psnr_loss: float
    """Loss of luma PSNR [dB]. Negative if the image is better without the part."""


def contributions(
    network: nn.Module,
    stages: Stages,
    sources: dict[str, list[tuple[str, int]]],
    enlarged: Callable[[], Pixels],
    whole: Pixels,
    high_res: Pixels,
    scale: int,
) -> list[Contribution]:
    """Returns the contributions of all inputs of pool layers, whole pool layers and parallel paths.

    `sources` names the inputs of the pool layers (`Record.sources`). `enlarged` runs the network and returns its output
    image. `whole` is the output image of the complete network, with the shape of `high_res` (H, W, 3).
    """
    best = psnr_y(whole, high_res, scale)
    found = []
    for kind, layer, source, channels in parts(network, stages, sources):
        with leaving_out(network.get_submodule(layer), channels):
            image = enlarged()
        difference = image.astype(np.float64) - whole
        found.append(
            Contribution(
                kind=kind,
                layer=layer,
                source=source,
                change=float(np.sqrt(np.mean(difference**2))),
                psnr_loss=best - psnr_y(image, high_res, scale),
            )
        )
    return found


def parts(
    network: nn.Module, stages: Stages, sources: dict[str, list[tuple[str, int]]]
) -> list[tuple[str, str, str, slice | None]]:
    """Returns (kind, layer, source, channels) of each part.

    `channels` selects channels of the layer's input; None means its output.
    """
    found: list[tuple[str, str, str, slice | None]] = []
    for layer in stages.pool_layers(network):
        start = 0
        for source, width in sources.get(layer, []):
            found.append(("pool", layer, source, slice(start, start + width)))
            start += width
        if layer in sources:
            found.append(("pool", layer, "whole layer", None))
    found += [("path", layer, "whole layer", None) for layer in stages.parallel_paths(network)]
    return found


@contextmanager
def leaving_out(module: nn.Module, channels: slice | None) -> Iterator[None]:
    """Replaces features of `module` by their means over the image, until the end of the `with` block.

    `channels` selects channels of the first input. If `channels` is None, the whole output is replaced.
    """

    def before(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        entry = args[0].clone()
        entry[:, channels] = _flat(entry[:, channels])
        return (entry, *args[1:])

    def after(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        return _flat(output)

    handle = (
        module.register_forward_hook(after)
        if channels is None
        else module.register_forward_pre_hook(before)
    )
    try:
        yield
    finally:
        handle.remove()


def _flat(features: Tensor) -> Tensor:
    return features.mean((2, 3), keepdim=True).expand_as(features)
