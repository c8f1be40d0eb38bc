"""Scores of a network on whole images: PSNR and SSIM of the luma, and PSNR of RGB.

On a GPU, images of equal size go through the network in one batch. Outputs and scores stay on the GPU, and the host
waits only once, for the scores. On a CPU, images are processed one by one, because batches are no faster there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from searchspace.errors import UserError
from sweeps.data.cache import PairSet
from sweeps.data.imresize import imresize
from sweeps.data.resident import images_of, resident
from sweeps.device import lacks_memory, sent
from sweeps.machine import keep_freed_memory
from sweeps.measure.inference import OVERLAP, Enlarge, inference
from sweeps.measure.metrics import psnr, psnrs_rgb, rgb_to_y, scores_y, ssim
from sweeps.measure.turns import computing, give_way

BATCH_PIXELS = 1 << 16
"""Maximum number of low-resolution pixels in one batch on a GPU. A larger image is a batch by itself."""

Pixels = NDArray[np.uint8]
Images = Callable[[Sequence[int]], tuple[Tensor, Tensor]]
"""Maps the positions of N images of equal size to uint8 low-resolution images (N, h, w, 3) and their high-resolution
originals (N, s * h, s * w, 3)."""


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """The scores of one upscaled image."""

    psnr_y: float
    """PSNR of the luma in dB."""
    ssim_y: float
    """SSIM of the luma, at most 1."""
    psnr_rgb: float
    """PSNR of all three channels in dB. NaN if only the luma was compared."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of a network on an image set."""

    psnr_y: float
    """Mean over the images of the PSNR of the luma, in dB."""
    ssim_y: float
    """Mean over the images of the SSIM of the luma, at most 1."""
    psnr_rgb: float
    """Mean over the images of the PSNR of all three channels, in dB. NaN if only the luma was compared."""
    per_image: Mapping[str, ImageScore]
    """The scores of each image, by image name."""


def evaluate(
    network: nn.Module,
    pairs: PairSet,
    *,
    device: torch.device | str,
    self_ensemble: bool = False,
    tile: int | None = None,
    batch_pixels: int | None = None,
) -> Scores:
    """Returns the scores of `network`, which must be on `device`, on all images of `pairs`.

    Images of equal size form batches of up to `batch_pixels` low-resolution pixels. The default is BATCH_PIXELS on a
    GPU and one image per batch on a CPU. The batch size changes the scores only by rounding errors. If a GPU has too
    little memory for a batch, the images of the batch are processed one by one. `inference` explains `tile` and
    `self_ensemble`. The network keeps its mode (training or evaluation).

    Raises UserError if an output is not finite, differs in size from the high-resolution image, or is too small for
    SSIM. Raises torch's RuntimeError if a single image does not fit in memory. Both name the image.
    """
    device = torch.device(device)
    if device.type == "cpu":
        keep_freed_memory()
    if batch_pixels is None:
        batch_pixels = BATCH_PIXELS if device.type == "cuda" else 0
    images = _images(pairs, device)
    order = batches(pairs.sizes, batch_pixels)
    with computing(), inference(network, tile=tile, self_ensemble=self_ensemble) as enlarged:
        parts = [_judged(pairs, images, enlarged, batch) for batch in order]
    # Only here does the host wait.
    found = dict(zip(chain(*order), torch.cat(parts).tolist(), strict=True))
    return _means(pairs, [found[i] for i in range(len(pairs))])


def batches(sizes: NDArray[np.int64], most_pixels: int) -> list[list[int]]:
    """Groups images of equal size. Returns the positions of the images in each group.

    `sizes` (images, 2) holds the height and width of each image in pixels. A group has at most `most_pixels` pixels,
    unless it is a single image.
    """
    same: dict[tuple[int, int], list[int]] = {}
    for i, (height, width) in enumerate(sizes.tolist()):
        same.setdefault((height, width), []).append(i)
    order = []
    for (height, width), found in same.items():
        count = max(1, most_pixels // (height * width))
        order += [found[start : start + count] for start in range(0, len(found), count)]
    return sorted(order)


def bicubic_scores(pairs: PairSet) -> Scores:
    """Returns the scores of bicubic upscaling of the 8-bit low-resolution images. A network must beat them.

    Papers compute bicubic scores in another way (`published_bicubic_scores`).
    """
    images = _images(pairs, torch.device("cpu"))

    def enlarged(low_res: Tensor) -> tuple[Tensor, Tensor]:
        image = torch.from_numpy(imresize(low_res[0].numpy(), pairs.scale))[None]
        return image, torch.ones(1, dtype=torch.bool)

    parts = [_judged(pairs, images, enlarged, [i]) for i in range(len(pairs))]
    return _means(pairs, torch.cat(parts).tolist())


def published_bicubic_scores(pairs: PairSet) -> Scores:
    """Returns the scores of bicubic upscaling as papers compute them (docs/facts.md 9).

    Use these scores only for comparison with tables in papers. The luma of each original is rounded to 8 bits,
    downscaled and upscaled in floating point, and then rounded. For a gray file, the single channel is used as the
    luma. There is no RGB image, so psnr_rgb is NaN.
    """
    scale, rows = pairs.scale, []
    for i in range(len(pairs)):
        image = pairs.high_res(i)
        luma = image[..., 0].astype(np.float64) if pairs.gray[i] else np.round(rgb_to_y(image))
        enlarged = imresize(imresize(luma, 1 / scale), scale)
        inside = (slice(scale, -scale), slice(scale, -scale))
        pair = np.clip(np.round(enlarged), 0, 255)[inside], luma[inside]
        rows.append([psnr(*pair), ssim(*pair), math.nan])
    return _means(pairs, rows)


def enlarge(
    network: nn.Module,
    low_res: Pixels,
    *,
    device: torch.device | str,
    tile: int | None = None,
    overlap: int = OVERLAP,
    self_ensemble: bool = False,
) -> Pixels:
    """Returns the uint8 image `low_res` (h, w, 3), upscaled by `network` on `device` to uint8 (s * h, s * w, 3).

    `inference` explains `tile`, `overlap` and `self_ensemble`. Raises UserError if the output is not finite.
    """
    # The image is copied, because torch cannot use the read-only pages of a cache.
    image = torch.from_numpy(np.array(low_res)).to(device)
    with inference(network, tile=tile, overlap=overlap, self_ensemble=self_ensemble) as enlarged_by:
        super_res, finite = enlarged_by(image[None])
    if not finite:
        raise UserError("the network's output is not finite")
    return super_res[0].contiguous().cpu().numpy()


def _images(pairs: PairSet, device: torch.device) -> Images:
    """Returns a function that reads images from GPU memory if all of `pairs` fit, and from host memory otherwise."""
    kept = resident(pairs, device) if device.type == "cuda" else None
    if kept is not None:
        return lambda indices: images_of(kept, pairs, indices)

    def from_host(indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        low_res, high_res = (
            sent(torch.from_numpy(np.stack([image(i) for i in indices])), device)
            for image in (pairs.low_res, pairs.high_res)
        )
        return low_res, high_res

    return from_host


def _judged(pairs: PairSet, images: Images, enlarged: Enlarge, batch: Sequence[int]) -> Tensor:
    """Returns the scores (N, 3) of the N images at the positions `batch`: PSNR and SSIM of the luma, and PSNR of RGB.

    The scores of an output that is not finite are NaN.
    """
    give_way()
    try:
        low_res, high_res = images(batch)
        super_res, finite = enlarged(low_res)
        pair = super_res, high_res, pairs.scale
        scores = torch.cat([scores_y(*pair), psnrs_rgb(*pair)[:, None]], -1)
        return scores.where(finite[:, None], torch.nan)
    except UserError as error:
        raise UserError(f"{pairs.name}: {pairs.names[batch[0]]}: {error}") from error
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        if len(batch) == 1:
            height, width = pairs.sizes[batch[0]]
            error.add_note(
                f"{pairs.name}: {pairs.names[batch[0]]}: {width}x{height} low-resolution pixels do not fit in memory "
                "at once; `srsweep evaluate` upscales the image in squares with --tile N"
            )
            raise
    # Outside the handler, because the error's traceback keeps the tensors of the failed batch alive.
    return torch.cat([_judged(pairs, images, enlarged, [i]) for i in batch])


def _means(pairs: PairSet, rows: Sequence[Sequence[float]]) -> Scores:
    """Returns the scores of an image set. `rows` (images, 3) holds psnr_y, ssim_y and psnr_rgb of each image.

    A PSNR of NaN means that the output was not finite. Raises UserError with the name of the image in this case.
    """
    for name, (psnr_y, *_) in zip(pairs.names, rows, strict=True):
        if psnr_y != psnr_y:
            raise UserError(f"{pairs.name}: {name}: the network's output is not finite")
    return Scores(
        psnr_y=fmean(row[0] for row in rows),
        ssim_y=fmean(row[1] for row in rows),
        psnr_rgb=fmean(row[2] for row in rows),
        per_image={
            name: ImageScore(psnr_y=row[0], ssim_y=row[1], psnr_rgb=row[2])
            for name, row in zip(pairs.names, rows, strict=True)
        },
    )
