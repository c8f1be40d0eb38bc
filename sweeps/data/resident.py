"""Keeps the pixels of images on a GPU, where all training runs and evaluations of one process share them."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sweeps.data.cache import PairSet

RESIDENT_SHARE = 0.25
"""Maximum share of the GPU's free memory for images. Images that need more stay in host memory."""

_kept: dict[tuple[Path, torch.device], tuple[Tensor, Tensor]] = {}
"""The pixels of one cache on one device. A cache holds both sets of a split."""

_told: set[Path] = set()
"""Caches that did not fit on the GPU. A process warns about each cache only once, not in every trial."""


def resident(pairs: PairSet, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Returns all pixels of the cache of `pairs` on `device`: uint8 (pixels, 3) at low and at high resolution.

    Returns None if the pixels would take too much GPU memory, and warns once about each such cache. The pixels stay on
    the device until the function is called for another cache or device.
    """
    device = torch.empty(0, device=device).device  # "cuda" is "cuda:0"
    key = pairs.folder, device
    if key not in _kept:
        _kept.clear()
        if not _fits(pairs, device):
            return None
        flat = (pairs.flat_low_res, pairs.flat_high_res)
        low_res, high_res = (torch.from_numpy(np.array(pixels)).view(-1, 3) for pixels in flat)
        _kept[key] = low_res.to(device), high_res.to(device)
    return _kept[key]


def _fits(pairs: PairSet, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    needed = pairs.flat_low_res.nbytes + pairs.flat_high_res.nbytes
    fits = needed < RESIDENT_SHARE * free
    if not fits and pairs.folder not in _told:
        _told.add(pairs.folder)
        warnings.warn(
            f"the images need {needed / 2**30:.2f} GiB, but may use only {RESIDENT_SHARE:.0%} of the "
            f"{free / 2**30:.2f} GiB that are free on the GPU; patches are therefore cut on the host and copied at each "
            "step, which is slower; use fewer or smaller images (data.train), or let fewer trials share a GPU "
            "(resources.gpu: 1)",
            stacklevel=3,
        )
    return fits


def images_of(
    pixels: tuple[Tensor, Tensor], pairs: PairSet, indices: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Returns the images at `indices`, which have equal sizes: uint8 (N, h, w, 3) and (N, s * h, s * w, 3).

    `pixels` is the result of `resident`, and s is the scale.
    """
    height, width = map(int, pairs.sizes[indices[0]])
    both = []
    for flat, scale in zip(pixels, (1, pairs.scale), strict=True):
        first = (pairs.starts[list(indices)] // 3 * scale**2).tolist()
        count = height * width * scale**2
        shape = (scale * height, scale * width, 3)
        both.append(torch.stack([flat[start : start + count].view(shape) for start in first]))
    return both[0], both[1]
