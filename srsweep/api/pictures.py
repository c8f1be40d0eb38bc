"""Upscales one image with a network. The input is a PIL image or a NumPy array, and the output is of the same kind."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from searchspace.errors import UserError
from sweeps.device import lacks_memory
from sweeps.measure.evaluate import enlarge

Picture = TypeVar("Picture", Image.Image, NDArray[np.uint8])
"""A PIL image of mode RGB or L, or an array uint8 (H, W, 3) or (H, W)."""
MODES = ("RGB", "L")
"""Modes of the PIL images that can be upscaled."""


def upscaled(
    network: nn.Module,
    image: Picture,
    *,
    device: torch.device | str,
    tile: int | None = None,
    self_ensemble: bool = False,
) -> Picture:
    """Returns `image`, upscaled by `network` on `device`, as the same kind of image.

    A gray image enters the network as three equal channels. The result is then the luma of the output, computed like
    PIL's conversion of RGB to L. A PIL image keeps its `info`, such as a colour profile, as in PIL's own `resize`.
    `inference` explains `tile` and `self_ensemble`. Raises UserError for any other kind of image, if the image does not
    fit in memory, or if the output is not finite.
    """
    pixels = pixels_of(image)
    gray = pixels.ndim == 2
    low_res = np.repeat(pixels[..., None], 3, 2) if gray else pixels
    if tile is not None and tile < 1:
        raise UserError(f"tile: must be at least 1, got {tile}")
    try:
        large = enlarge(network, low_res, device=device, tile=tile, self_ensemble=self_ensemble)
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        height, width = pixels.shape[:2]
        raise UserError(
            f"image: {width}x{height} pixels do not fit in memory at once; upscale it in squares with tile=256"
        ) from error
    made = Image.fromarray(large)
    made = made.convert("L") if gray else made
    if isinstance(image, Image.Image):
        made.info = dict(image.info)
        return made
    return np.array(made)


def size_of(image: Image.Image | NDArray[np.uint8]) -> tuple[int, int]:
    """Returns (height, width) of `image`. Raises UserError if `upscaled` does not take this kind of image."""
    height, width = pixels_of(image).shape[:2]
    return height, width


def pixels_of(image: object) -> NDArray[np.uint8]:
    """Returns the pixels of an image: uint8 of shape (H, W, 3) or (H, W). Raises UserError for any other kind of image."""
    if isinstance(image, Image.Image):
        if image.mode not in MODES:
            raise UserError(
                f"image: must have mode RGB or L, got {image.mode}; image.convert('RGB') converts it"
            )
        return np.asarray(image)
    if not isinstance(image, np.ndarray):
        raise UserError(
            f"image: must be a PIL image or a NumPy array, got {type(image).__name__}; "
            "PIL.Image.open reads a file"
        )
    if image.dtype != np.uint8:
        raise UserError(f"image: must be uint8 with values from 0 to 255, got {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise UserError(f"image: must have shape (H, W, 3) or (H, W), got {image.shape}")
    return image
