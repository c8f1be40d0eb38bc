"""Random patches to train on. Which ones depends on the seed and the step alone, so a run that is
resumed sees the same patches as one that never stopped.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweeps.data.cache import PairSet

SYMMETRIES = 8
"""Bit 0 mirrors left and right, bit 1 top and bottom, bit 2 swaps rows and columns afterwards."""

PIXEL = np.dtype("V3")
"""Three colours as one item, so that numpy moves pixels and not bytes."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which patches make a batch: four arrays (N,), positions in low-resolution pixels."""

    image: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    symmetry: NDArray[np.int64]


def draw_patches(
    sizes: NDArray[np.int64], *, patch_size: int, batch_size: int, seed: int, step: int
) -> Draw:
    """The patches of one step: images equally likely, then positions, then symmetries.

    `sizes` (images, 2) are heights and widths. Taken from the raw numbers of Philox, which no version
    of numpy may change, with the step as its counter.
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
    """Batches of patches of `patch_size` low-resolution pixels, with flips and rotations."""

    def __init__(self, pairs: PairSet, patch_size: int, batch_size: int, seed: int) -> None:
        small = np.flatnonzero(pairs.sizes.min(1) < patch_size)
        if len(small):
            height, width = pairs.sizes[small[0]]
            raise ValueError(
                f"train.patch_size: must fit into every image of {pairs.name}, got {patch_size}, but "
                f"{pairs.names[small[0]]} has {width}x{height} low-resolution pixels at scale "
                f"{pairs.scale} ({len(small)} of {len(pairs)} images are too small)"
            )
        self.pairs, self.patch_size = pairs, patch_size
        self.batch_size, self.seed = batch_size, seed

    def draw(self, step: int) -> Draw:
        """Which patches make the batch of `step`."""
        return draw_patches(
            self.pairs.sizes,
            patch_size=self.patch_size,
            batch_size=self.batch_size,
            seed=self.seed,
            step=step,
        )

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of `step`: uint8 (N, 3, p, p) and (N, 3, scale * p, scale * p), channels-last."""
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
        return _as_tensor(low_res), _as_tensor(high_res)


def addresses(sampler: PatchSampler, step: int) -> NDArray[np.int64]:
    """Where the batch of `step` lies among all pixels of the cache: (2, 3, N), low then high resolution.

    For every patch the number of the pixel that becomes its upper left corner, and what to add for the
    next row and for the next column: a symmetry is but a corner and two strides.
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
    """Patches uint8 (N, 3, side, side), channels-last, out of all `pixels` (P, 3) on the same device.

    `places` (3, N) is one half of `addresses`; the result is that of `PatchSampler.batch`.
    """
    corner, down, right = places[:, :, None, None]
    steps = torch.arange(side, device=pixels.device)
    return pixels[corner + down * steps[:, None] + right * steps].permute(0, 3, 1, 2)


def turned(image: NDArray[np.void], symmetry: int) -> NDArray[np.void]:
    """A view of `image` (side, side) under one of the eight symmetries."""
    if symmetry & 1:
        image = image[:, ::-1]
    if symmetry & 2:
        image = image[::-1]
    return image.swapaxes(0, 1) if symmetry & 4 else image


def _as_pixels(crop: NDArray[np.uint8]) -> NDArray[np.void]:
    return crop.view(PIXEL)[..., 0]


def _as_tensor(pixels_nhw: NDArray[np.void]) -> Tensor:
    nhwc = pixels_nhw.view(np.uint8).reshape(*pixels_nhw.shape, 3)
    return torch.from_numpy(nhwc).permute(0, 3, 1, 2)
