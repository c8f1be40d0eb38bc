"""Random patches for training.

The patches depend only on the images, the seed and the step, so a resumed training run uses the same patches as an
uninterrupted one. If the set has a degradation, the low-resolution patches are degraded after they have been cut,
flipped and rotated.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from searchspace.errors import UserError
from sweeps.data.cache import PairSet

SYMMETRIES = 8
"""Number of flips and rotations of a square. A symmetry's number has three bits. Bit 0 mirrors left and right, bit 1
mirrors top and bottom, and bit 2 then swaps rows and columns."""

PIXEL = np.dtype("V3")
"""Data type of a pixel: its three colours as one item, so that numpy copies whole pixels."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The places from which the patches of a batch are cut: four arrays (N,). Positions are in low-resolution pixels."""

    image: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    symmetry: NDArray[np.int64]


def draw_patches(
    sizes: NDArray[np.int64], *, patch_size: int, batch_size: int, seed: int, step: int
) -> Draw:
    """Returns the positions and symmetries of the patches of one step.

    All images are equally likely. So are all positions within an image, and all symmetries. `sizes` (images, 2) are
    heights and widths in low-resolution pixels. The numbers are computed from the raw output of the generator Philox,
    with the step in its counter, so they are the same in every version of numpy.
    """
    raw = np.random.Philox(key=seed % 2**64, counter=(0, step, 0, 0)).random_raw((4, batch_size))
    uniform = (raw >> np.uint64(11)) * 2.0**-53
    image = (uniform[0] * len(sizes)).astype(np.int64)
    places = sizes[image] - patch_size + 1
    return Draw(
        image=image,
        top=(uniform[1] * places[:, 0]).astype(np.int64),
        left=(uniform[2] * places[:, 1]).astype(np.int64),
        symmetry=(uniform[3] * SYMMETRIES).astype(np.int64),
    )


class PatchSampler:
    """Batches of square patches, each `patch_size` low-resolution pixels wide, flipped and rotated at random.

    Raises UserError if an image is too small for a patch.
    """

    def __init__(self, pairs: PairSet, patch_size: int, batch_size: int, seed: int) -> None:
        small = np.flatnonzero(pairs.sizes.min(1) < patch_size)
        if len(small):
            height, width = pairs.sizes[small[0]]
            raise UserError(
                f"train.patch_size: must fit into each image of {pairs.name}, got {patch_size}, but "
                f"{pairs.names[small[0]]} has {width}x{height} low-resolution pixels at scale "
                f"{pairs.scale} ({len(small)} of {len(pairs)} images are too small)"
            )
        self.pairs, self.patch_size = pairs, patch_size
        self.batch_size, self.seed = batch_size, seed

    def draw(self, step: int) -> Draw:
        """Returns the positions and symmetries of the patches in the batch at `step`."""
        return draw_patches(
            self.pairs.sizes,
            patch_size=self.patch_size,
            batch_size=self.batch_size,
            seed=self.seed,
            step=step,
        )

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Returns the low-resolution and the high-resolution patches of the batch at `step`.

        Their shapes are uint8 (N, 3, p, p) and (N, 3, scale * p, scale * p), channels-last, where p is `patch_size`.
        """
        draw = self.draw(step)
        p, scale = self.patch_size, self.pairs.scale
        low_res = np.empty((self.batch_size, p, p), PIXEL)
        high_res = np.empty((self.batch_size, scale * p, scale * p), PIXEL)
        places = zip(draw.image, draw.top, draw.left, draw.symmetry, strict=True)
        for n, (image, top, left, symmetry) in enumerate(places):
            low = self.pairs.low_res(image)[top : top + p, left : left + p]
            low_res[n] = turned(_as_pixels(low), symmetry)
            top, left, side = scale * top, scale * left, scale * p
            high = self.pairs.high_res(image)[top : top + side, left : left + side]
            high_res[n] = turned(_as_pixels(high), symmetry)
        low_patches, high_patches = _as_nhwc(low_res), _as_nhwc(high_res)
        if self.pairs.degradation is not None:
            low_patches = self.pairs.degradation.patches(low_patches, seed=self.seed, step=step)
        return _as_tensor(low_patches), _as_tensor(high_patches)


def addresses(sampler: PatchSampler, step: int) -> NDArray[np.int64]:
    """Returns the addresses (2, 3, N) of the patches of the batch at `step` in the flat pixels of the cache.

    Index 0 of the first axis is the low resolution, and index 1 is the high resolution. Each patch has three numbers:
    the index of its first pixel, the offset from one row to the next, and the offset from one column to the next. These
    numbers also encode how the patch is flipped or rotated.
    """
    draw, pairs = sampler.draw(step), sampler.pairs
    width = pairs.sizes[draw.image, 1]
    first = pairs.starts[draw.image] // 3
    left_right, top_bottom, swapped = (draw.symmetry & bit != 0 for bit in (1, 2, 4))
    both = []
    for factor in (1, pairs.scale):
        row, last = factor * width, factor * sampler.patch_size - 1
        corner = first * factor**2 + factor * draw.top * row + factor * draw.left
        corner = corner + last * (top_bottom * row + left_right)
        down, right = np.where(top_bottom, -row, row), np.where(left_right, -1, 1)
        both.append([corner, np.where(swapped, right, down), np.where(swapped, down, right)])
    return np.array(both)


def cut(pixels: Tensor, places: Tensor, side: int) -> Tensor:
    """Returns patches uint8 (N, 3, side, side), channels-last, cut from `pixels` (P, 3) on the same device.

    `places` (3, N) is one of the two items of the result of `addresses`. The patches equal those of
    `PatchSampler.batch`.
    """
    corner, down, right = places[:, :, None, None]
    steps = torch.arange(side, device=pixels.device)
    return pixels[corner + down * steps[:, None] + right * steps].permute(0, 3, 1, 2)


def turned(image: NDArray[np.void], symmetry: int) -> NDArray[np.void]:
    """Returns a view of `image` (side, side), flipped and rotated by symmetry number `symmetry`, from 0 to 7."""
    if symmetry & 1:
        image = image[:, ::-1]
    if symmetry & 2:
        image = image[::-1]
    return image.swapaxes(0, 1) if symmetry & 4 else image


def _as_pixels(crop: NDArray[np.uint8]) -> NDArray[np.void]:
    return crop.view(PIXEL)[..., 0]


def _as_nhwc(pixels_nhw: NDArray[np.void]) -> NDArray[np.uint8]:
    return pixels_nhw.view(np.uint8).reshape(*pixels_nhw.shape, 3)


def _as_tensor(nhwc: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(nhwc).permute(0, 3, 1, 2)
