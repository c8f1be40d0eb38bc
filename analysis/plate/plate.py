"""Makes the parts of a plate: the whole image with a box, and the crop inside the box with its scores for each version."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchspace.errors import UserError
from sweeps.data.imresize import imresize
from sweeps.measure.metrics import WINDOW, psnr_y, ssim_y

Pixels = NDArray[np.uint8]
SIDE = 64
"""Default width and height of the box, in pixels of the original. In a smaller image, the box is as large as fits."""
BICUBIC, ORIGINAL = "bicubic", "original"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A part of an image, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, image: Pixels) -> Pixels:
        """Returns the part of `image` (H, W, 3) inside the box."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(image[rows, self.left : self.left + self.width])

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"


@dataclass(frozen=True, kw_only=True)
class Version:
    """The crop of one version of the image."""

    name: str
    crop: Pixels
    psnr_y: float | None
    """PSNR of the luma of the whole image in dB. None for the original."""
    ssim_y: float | None
    """SSIM of the luma of the whole image. None for the original."""

    @property
    def scores(self) -> str:
        """PSNR and SSIM as papers print them, such as '33.77 / 0.8934'. For the original, the text 'PSNR / SSIM'."""
        if self.psnr_y is None:
            return "PSNR / SSIM"
        return f"{self.psnr_y:.2f} / {self.ssim_y:.4f}"


@dataclass(frozen=True, kw_only=True)
class Plate:
    """The content of a plate."""

    image: str
    """The name of the image."""
    scale: int
    whole: Pixels
    """The whole original (H, W, 3)."""
    box: Box
    versions: list[Version]
    """Bicubic, the networks in order, and the original."""


def make_plate(
    image: str, high_res: Pixels, low_res: Pixels, enlarged: Mapping[str, Pixels], box: Box | None
) -> Plate:
    """Returns the plate of the image called `image`.

    `high_res` (s h, s w, 3) is the original and `low_res` (h, w, 3) the input of the networks. `enlarged` maps the name
    of each network to its output image. Without `box`, the crop is the part that the networks restore most differently.
    Raises UserError if the box is not inside the image, or if the image is too small for SSIM.
    """
    scale = high_res.shape[0] // low_res.shape[0]
    height, width = high_res.shape[:2]
    least = WINDOW + 2 * scale
    if min(height, width) < least:
        raise UserError(f"{image}: must be at least {least}x{least} pixels, got {width}x{height}")
    images = {BICUBIC: imresize(low_res, scale), **enlarged}
    box = box or telling_box(list(images.values()), high_res)
    check_box(box, (height, width))
    versions = [
        Version(
            name=name,
            crop=box.of(made),
            psnr_y=psnr_y(made, high_res, scale),
            ssim_y=ssim_y(made, high_res, scale),
        )
        for name, made in images.items()
    ]
    versions.append(Version(name=ORIGINAL, crop=box.of(high_res), psnr_y=None, ssim_y=None))
    return Plate(image=image, scale=scale, whole=high_res, box=box, versions=versions)


def telling_box(images: list[Pixels], high_res: Pixels) -> Box:
    """Returns the square in which the squared errors of `images` differ most. Bicubic is the first image.

    The difference at a pixel is the largest minus the smallest squared error over all images. The search tries squares
    of side SIDE at every eighth row and column. It stays 8 pixels away from the borders if the image is large enough.
    """
    height, width = high_res.shape[:2]
    side = min(SIDE, height, width)
    errors = [((made.astype(np.float64) - high_res) ** 2).mean(2) for made in images]
    spread = np.max(errors, axis=0) - np.min(errors, axis=0)
    # sums[y, x] is the sum of all values above and left of (y, x), so that a square is a sum of four.
    sums = np.pad(spread.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    border = 8 if min(height, width) >= side + 16 else 0
    best, place = -1.0, (0, 0)
    for top in range(border, height - side - border + 1, 8):
        for left in range(border, width - side - border + 1, 8):
            bottom, right = top + side, left + side
            total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
            if total > best:
                best, place = float(total), (top, left)
    return Box(left=place[1], top=place[0], width=side, height=side)


def check_box(box: Box, size: tuple[int, int]) -> None:
    """Raises UserError if `box` is not inside an image of `size` (height, width)."""
    height, width = size
    fits = box.left >= 0 and box.top >= 0 and box.width > 0 and box.height > 0
    if not (fits and box.left + box.width <= width and box.top + box.height <= height):
        raise UserError(f"--box: must lie inside the image of {width}x{height} pixels, got {box}")
