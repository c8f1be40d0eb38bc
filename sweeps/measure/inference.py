"""Upscales whole images with a network, in one pass or in tiles. The network is in evaluation mode and float32.

A network maps images (N, 3, h, w) in [0, 1] to images (N, 3, s * h, s * w). The output may lie slightly outside [0, 1],
so it is clipped before it is rounded to 8 bits (docs/facts.md 9).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

OVERLAP = 32
"""Width of the border that is added around each tile of the input, in low-resolution pixels."""

Forward = Callable[[Tensor], Tensor]
Enlarge = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps images, uint8 (N, h, w, 3), to upscaled images, uint8 (N, s * h, s * w, 3), and booleans (N,). A boolean is True
if the network's output for that image was finite."""


@contextmanager
def inference(
    network: nn.Module,
    *,
    tile: int | None = None,
    overlap: int = OVERLAP,
    self_ensemble: bool = False,
) -> Iterator[Enlarge]:
    """Yields a function that upscales images with `network` on the device of the images. It does not wait for a GPU.

    With `tile`, the image is processed in squares with sides of `tile` low-resolution pixels, each extended by
    `overlap` pixels on every side. If each output pixel depends only on input pixels at most `overlap` away, the result
    equals the output for the whole image except for rounding errors. Otherwise, the difference is larger. For example,
    global attention sees only the tile and its overlap.

    With `self_ensemble`, the outputs for the eight flips and rotations of an image are averaged (the "+" in papers).
    After the block, the network has its earlier mode again (training or evaluation). Raises ValueError if `tile` is
    below 1 or `overlap` below 0.
    """
    if tile is not None and (tile < 1 or overlap < 0):
        raise ValueError(f"tile must be positive and overlap not negative, got {tile}, {overlap}")
    run = _ensembled(network) if self_ensemble else network

    def enlarge(low_res: Tensor) -> tuple[Tensor, Tensor]:
        image = (low_res.permute(0, 3, 1, 2).float() / 255).contiguous(
            memory_format=torch.channels_last
        )
        output = run(image) if tile is None else _tiled(run, image, tile, overlap)
        finite = output.abs().amax((1, 2, 3)).isfinite()
        rounded = output.clamp(0, 1).mul_(255).round_().to(torch.uint8)
        return rounded.permute(0, 2, 3, 1), finite

    with _evaluating(network), torch.no_grad(), _full_precision():
        yield enlarge


def _tiled(run: Forward, image_nchw: Tensor, tile: int, overlap: int) -> Tensor:
    height, width = image_nchw.shape[2:]
    rows = []
    for top in range(0, height, tile):
        row = []
        for left in range(0, width, tile):
            row.append(_one_tile(run, image_nchw, (top, left), tile, overlap))
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


def _one_tile(
    run: Forward,
    image_nchw: Tensor,
    corner: tuple[int, int],
    tile: int,
    overlap: int,
) -> Tensor:
    """Returns the upscaled tile whose top left corner is `corner`.

    The input of the network also contains the surroundings of the tile.
    """
    ends = [
        min(start + tile, size) for start, size in zip(corner, image_nchw.shape[2:], strict=True)
    ]
    first = [max(0, start - overlap) for start in corner]
    last = [min(end + overlap, size) for end, size in zip(ends, image_nchw.shape[2:], strict=True)]
    seen = image_nchw[:, :, first[0] : last[0], first[1] : last[1]]
    output = run(seen)
    scale = output.shape[2] // seen.shape[2]
    (top, bottom), (left, right) = (
        (scale * (start - begin), scale * (end - begin))
        for start, end, begin in zip(corner, ends, first, strict=True)
    )
    return output[:, :, top:bottom, left:right]


def _ensembled(network: nn.Module) -> Forward:
    """Returns a function that averages the network's outputs over the eight flips and rotations of the input."""

    def run(image_nchw: Tensor) -> Tensor:
        total: Tensor | None = None
        for turns in range(4):
            for flipped in (False, True):
                seen = image_nchw.flip(3) if flipped else image_nchw
                output = network(seen.rot90(turns, (2, 3))).rot90(-turns, (2, 3))
                output = output.flip(3) if flipped else output
                total = output if total is None else total + output
        assert total is not None
        return total / 8

    return run


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Puts the network into evaluation mode during the block, and restores the mode of each submodule afterwards."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def _full_precision() -> Iterator[None]:
    """Makes the block compute in true float32, without TF32 and autocast, and without cuDNN's tuning for each image
    size.
    """
    with (
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        torch.autocast("cuda", enabled=False),
        torch.autocast("cpu", enabled=False),
    ):
        yield
