"""Whole images through a network, and what the result is worth: PSNR and SSIM of the luma.

A network takes (N, 3, H, W) in [0, 1] and returns (N, 3, sH, sW) nominally in [0, 1]. It runs in
float32; its output is clipped and rounded to 8 bits before it is compared (FACTS 9).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sweeps.data.cache import PairSet
from sweeps.data.imresize import imresize
from sweeps.metrics import psnr, psnr_y, rgb_to_y, ssim, ssim_y

OVERLAP = 32
"""Low-resolution pixels that a tile sees beyond its own on each side."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """What one enlarged image is worth."""

    psnr_y: float
    """[dB]"""
    ssim_y: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a network is worth on a set: means over its images."""

    psnr_y: float
    """[dB]"""
    ssim_y: float
    per_image: Mapping[str, ImageScore]


def evaluate(
    network: nn.Module,
    pairs: PairSet,
    *,
    device: torch.device | str,
    self_ensemble: bool = False,
    tile: int | None = None,
) -> Scores:
    """Scores of `network`, which must be on `device`, over all of `pairs`.

    The network is left in the mode, training or not, in which it came. Raises ValueError that names
    the image if an output is not finite, has another size than its original or is too small.
    """

    def by_network(low_res: Pixels) -> Pixels:
        return enlarge(network, low_res, device=device, tile=tile, self_ensemble=self_ensemble)

    return _scores(pairs, by_network)


def bicubic_scores(pairs: PairSet) -> Scores:
    """Scores of bicubic enlargement of the 8-bit low resolution: what a network must beat.

    Papers print bicubic rows by another convention (`published_bicubic_scores`).
    """
    return _scores(pairs, lambda low_res: imresize(low_res, pairs.scale))


def published_bicubic_scores(pairs: PairSet) -> Scores:
    """Scores of bicubic as papers print them, for comparison with their tables only (FACTS 9).

    Y is rounded to 8 bits first, shrunk and enlarged in floating point, and rounded at the end; the
    one channel of a gray file is taken for Y.
    """
    scale, scores = pairs.scale, {}
    for i, name in enumerate(pairs.names):
        image = pairs.high_res(i)
        luma = image[..., 0].astype(np.float64) if pairs.gray[i] else np.round(rgb_to_y(image))
        enlarged = imresize(imresize(luma, 1 / scale), scale)
        inside = (slice(scale, -scale), slice(scale, -scale))
        pair = np.clip(np.round(enlarged), 0, 255)[inside], luma[inside]
        scores[name] = ImageScore(psnr_y=psnr(*pair), ssim_y=ssim(*pair))
    return _means(scores)


def enlarge(
    network: nn.Module,
    low_res: Pixels,
    *,
    device: torch.device | str,
    tile: int | None = None,
    overlap: int = OVERLAP,
    self_ensemble: bool = False,
) -> Pixels:
    """`low_res` uint8 (h, w, 3) enlarged by `network`: uint8 (s * h, s * w, 3).

    With `tile`, squares of so many low-resolution pixels are enlarged one by one, each together with
    `overlap` pixels around it. The result is that of the whole image, up to rounding, where the
    network's output depends on no more than `overlap` pixels around; beyond that differences are small
    but not none, and a network that looks at the whole image (global attention) sees the tile only.
    `self_ensemble` averages the outputs of the eight flips and rotations (the papers' "+"). Raises
    ValueError if the output is not finite.
    """
    if tile is not None and (tile < 1 or overlap < 0):
        raise ValueError(f"tile must be positive and overlap not negative, got {tile}, {overlap}")
    # A copy: torch cannot take the read-only pages of a cache.
    pixels = torch.from_numpy(np.array(low_res)).to(device).permute(2, 0, 1)[None]
    image = (pixels.float() / 255).contiguous(memory_format=torch.channels_last)
    run = _ensembled(network) if self_ensemble else network
    with _evaluating(network), torch.no_grad(), _full_precision():
        output = run(image) if tile is None else _tiled(run, image, tile, overlap)
    if not torch.isfinite(output).all():
        raise ValueError("the network's output is not finite")
    rounded = (output[0].clamp(0, 1) * 255).round().to(torch.uint8)
    return rounded.permute(1, 2, 0).contiguous().cpu().numpy()


def _scores(pairs: PairSet, enlarged: Callable[[Pixels], Pixels]) -> Scores:
    scores = {}
    for i, name in enumerate(pairs.names):
        high_res = pairs.high_res(i)
        try:
            super_res = enlarged(pairs.low_res(i))
            scores[name] = ImageScore(
                psnr_y=psnr_y(super_res, high_res, pairs.scale),
                ssim_y=ssim_y(super_res, high_res, pairs.scale),
            )
        except ValueError as error:
            raise ValueError(f"{pairs.name}: {name}: {error}") from None
    return _means(scores)


def _means(scores: dict[str, ImageScore]) -> Scores:
    return Scores(
        psnr_y=fmean(score.psnr_y for score in scores.values()),
        ssim_y=fmean(score.ssim_y for score in scores.values()),
        per_image=scores,
    )


def _tiled(run: Callable[[Tensor], Tensor], image_nchw: Tensor, tile: int, overlap: int) -> Tensor:
    height, width = image_nchw.shape[2:]
    rows = []
    for top in range(0, height, tile):
        row = []
        for left in range(0, width, tile):
            row.append(_one_tile(run, image_nchw, (top, left), tile, overlap))
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


def _one_tile(
    run: Callable[[Tensor], Tensor],
    image_nchw: Tensor,
    corner: tuple[int, int],
    tile: int,
    overlap: int,
) -> Tensor:
    """The enlarged tile at `corner`, computed with what surrounds it and cut out."""
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


def _ensembled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The mean of the network's outputs on the eight flips and rotations of its input."""

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
    """The network in evaluation mode; every part goes back to the mode it was in."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def _full_precision() -> Iterator[None]:
    """float32 that is float32: neither TF32 nor autocast, and no tuning for each new image size."""
    with (
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        torch.autocast("cuda", enabled=False),
        torch.autocast("cpu", enabled=False),
    ):
        yield
