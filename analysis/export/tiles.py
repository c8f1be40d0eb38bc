"""Runs networks on images of any size, even if a network accepts only one size, or only sizes up to a limit."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InTiles(nn.Module):
    """A network that upscales an image tile by tile, so that no input of the inner network exceeds a given size.

    The tiles do not overlap. At their borders, the result therefore differs from that for the image in one piece.
    Compare networks only if they use equal tiles.
    """

    def __init__(self, network: nn.Module, size: tuple[int, int], *, padded: bool) -> None:
        """`size` is the (height, width) of a tile.

        If `padded`, smaller tiles are padded to this size by repeating their border.
        """
        super().__init__()
        self.network, self.size, self.padded = network, size, padded

    def forward(self, low_res: Tensor) -> Tensor:
        """Upscales (N, C, H, W) to (N, C, sH, sW)."""
        height, width = self.size
        rows = [
            torch.cat([self._enlarged(tile) for tile in row.split(width, 3)], 3)
            for row in low_res.split(height, 2)
        ]
        return torch.cat(rows, 2)

    def _enlarged(self, tile: Tensor) -> Tensor:
        height, width = tile.shape[2:]
        if not self.padded:
            return self.network(tile)
        missing = (0, self.size[1] - width, 0, self.size[0] - height)
        enlarged = self.network(F.pad(tile, missing, mode="replicate"))
        scale = enlarged.shape[2] // self.size[0]
        return enlarged[..., : scale * height, : scale * width]


@dataclass(frozen=True, kw_only=True)
class Span:
    """One tile along one side of an image, in pixels."""

    begin: int
    end: int
    """The part `begin` to `end` of the image goes through the network."""
    start: int
    stop: int
    """The part `start` to `stop` of the tile's output is kept."""


def spans(length: int, side: int, overlap: int) -> list[Span]:
    """Returns tiles of `side` pixels that cover `length` pixels, or one shorter tile if `side` is larger than `length`.

    Each tile extends beyond its kept part by at least `overlap` pixels on both sides, except at the ends of the image.
    The last tile is moved back so that it ends where the image ends. Raises ValueError if `side` is at most twice the
    `overlap`.
    """
    if overlap < 0 or side <= 2 * overlap:
        raise ValueError(f"side must be above 2 * overlap, got {side} and {overlap}")
    if length <= side:
        return [Span(begin=0, end=length, start=0, stop=length)]
    found: list[Span] = []
    begin = start = 0
    while begin + side < length:
        stop = begin + side - overlap
        found.append(Span(begin=begin, end=begin + side, start=start, stop=stop))
        begin, start = stop - overlap, stop
    return [*found, Span(begin=length - side, end=length, start=start, stop=length)]
