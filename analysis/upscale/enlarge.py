"""Upscales one image of any size.

The image is split into tiles if it is large, or if an exported file accepts one size only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.export.target import Run
from analysis.export.tiles import Span, spans

TILE = 512
"""Default side of a tile, including its overlaps, in low-resolution pixels."""
OVERLAP = 32
"""Overlap of tiles, in low-resolution pixels, for a network whose reach is unknown or spans the whole image."""
MOST_OVERLAP = 3 / 8
"""Maximum overlap at each end of a tile, as a share of the tile's side. At the maximum, a quarter of the side is kept."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G and B in a grey value (BT.601). Pillow uses the same weights."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


class NotFinite(Exception):  # noqa: N818 - reads as what happened
    """Raised when a network returns NaN or an infinite value."""


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """A network, and the image sizes that it can process without tiling."""

    run: Run
    scale: int
    tile: int = TILE
    """Maximum side of a tile, in low-resolution pixels."""
    overlap: int = OVERLAP
    """Width of a tile's border, in low-resolution pixels. The output for the border is discarded. In small tiles the
    border is narrower.
    """
    smallest: int = 1
    """Smallest side that the network accepts. Smaller images are padded."""
    fixed: tuple[int, int] | None = None
    """Height and width of the only image that the network accepts. None if it accepts other sizes."""

    @property
    def sides(self) -> tuple[int, int]:
        """The height and the width of a tile."""
        return self.fixed or (self.tile, self.tile)

    @property
    def overlaps(self) -> tuple[int, int]:
        """The overlap of tiles along the height and along the width. It is smaller in small tiles."""
        height, width = (min(self.overlap, int(MOST_OVERLAP * side)) for side in self.sides)
        return height, width

    def tiles(self, height: int, width: int) -> list[tuple[Span, Span]]:
        """Returns the tiles (rows, columns) of an image."""
        rows, columns = (
            spans(length, side, overlap)
            for length, side, overlap in zip(
                (height, width), self.sides, self.overlaps, strict=True
            )
        )
        return [(row, column) for row in rows for column in columns]

    def enlarged(self, colours: Pixels, tick: Callable[[], None] = lambda: None) -> Pixels:
        """Returns `colours` upscaled by `scale` and rounded.

        They are uint8 or uint16 of shape (H, W, 3), or (H, W) for grey. `tick` is called after each tile. Raises
        NotFinite if the network returns NaN or an infinite value.
        """
        peak = np.iinfo(colours.dtype).max
        height, width = colours.shape[:2]
        scale = self.scale
        result = np.empty((scale * height, scale * width, *colours.shape[2:]), colours.dtype)
        for row, column in self.tiles(height, width):
            seen = colours[row.begin : row.end, column.begin : column.end]
            super_res = self._output(seen.astype(np.float32) / np.float32(peak))
            inner = super_res[
                scale * (row.start - row.begin) : scale * (row.stop - row.begin),
                scale * (column.start - column.begin) : scale * (column.stop - column.begin),
            ]
            if not np.isfinite(inner).all():
                raise NotFinite("the network returns values that are not finite")
            values = inner if colours.ndim == 3 else inner @ GREY
            result[
                scale * row.start : scale * row.stop, scale * column.start : scale * column.stop
            ] = np.rint(np.clip(values, 0, 1) * np.float32(peak)).astype(colours.dtype)
            tick()
        return result

    def _output(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the network's output (scale * h, scale * w, 3) for an input (h, w, 3) or (h, w) in [0, 1]."""
        rgb = colours if colours.ndim == 3 else np.repeat(colours[..., None], 3, axis=2)
        height, width = rgb.shape[:2]
        least = self.fixed or (max(height, self.smallest), max(width, self.smallest))
        missing = (least[0] - height, least[1] - width)
        padded = np.pad(rgb, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="edge")
        super_res = self.run(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))
        kept = super_res[0, :, : self.scale * height, : self.scale * width]
        return np.ascontiguousarray(kept.transpose(1, 2, 0), dtype=np.float32)


def bicubic(channel: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Returns a channel (H, W), such as the alpha channel, upscaled by Pillow's bicubic interpolation."""
    height, width = channel.shape
    image = Image.fromarray(channel)
    return np.asarray(image.resize((scale * width, scale * height), Image.Resampling.BICUBIC))
