"""Pixels kept on a GPU between trainings and evaluations of one process."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sweeps.data.cache import PairSet

RESIDENT_SHARE = 0.25
"""Images that need more of the GPU's free memory than this stay on the host."""

_kept: dict[tuple[Path, torch.device], tuple[Tensor, Tensor]] = {}
"""One cache at a time: a split has one for both of its sets."""

_told: set[Path] = set()
"""Caches that did not fit, of which a process speaks once and not at every trial."""


def resident(pairs: PairSet, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """All pixels of the cache of `pairs` on `device`, uint8 (pixels, 3) at low and high resolution.

    None, with a warning, where they would take too much of a GPU. They stay until those of another cache are asked for.
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
            f"the images take {needed / 2**30:.2f} GiB, and of the {free / 2**30:.2f} GiB that are free on the GPU "
            f"no more than {RESIDENT_SHARE:.0%} are given to them: patches are cut on the host and copied at every "
            "step, which is slower; use fewer or smaller images (data.train), or let fewer trials share a GPU "
            "(resources.gpu: 1)",
            stacklevel=3,
        )
    return fits


def images_of(
    pixels: tuple[Tensor, Tensor], pairs: PairSet, indices: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Images of equal size out of what `resident` returned: uint8 (N, h, w, 3) and (N, s * h, s * w, 3)."""
    height, width = map(int, pairs.sizes[indices[0]])
    both = []
    for flat, scale in zip(pixels, (1, pairs.scale), strict=True):
        first = (pairs.starts[list(indices)] // 3 * scale**2).tolist()
        count = height * width * scale**2
        shape = (scale * height, scale * width, 3)
        both.append(torch.stack([flat[start : start + count].view(shape) for start in first]))
    return both[0], both[1]
