"""MATLAB's `imresize(image, factor)` with its default kernel, the antialiased bicubic kernel (docs/facts.md 9).

All low-resolution benchmark images were made with MATLAB's function. Even a similar filter changes PSNR by tenths of a
dB. Like MATLAB, this function rounds 8-bit images after each of the two passes.
"""

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def imresize(image: NDArray[Number], factor: float) -> NDArray[Number]:
    """Returns `image` (H, W) or (H, W, C) resized to (ceil(factor * H), ceil(factor * W)), with the same data type.

    uint8 values are rounded half up and clipped after each pass. Floating-point values are neither rounded nor clipped.
    Raises ValueError for any other data type, for a factor that is not positive, and for an image without pixels.
    """
    if not (image.dtype == np.uint8 or np.issubdtype(image.dtype, np.floating)):
        raise ValueError(f"imresize: image must be uint8 or floating point, got {image.dtype}")
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"imresize: factor must be positive, got {factor}")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"imresize: image must be (H, W) or (H, W, C), got shape {image.shape}")
    # MATLAB resizes the side with the smaller factor first. With equal factors, it resizes rows before columns.
    rows = _resize_rows(image, factor)
    columns = _resize_rows(np.ascontiguousarray(rows.swapaxes(0, 1)), factor)
    return np.ascontiguousarray(columns.swapaxes(0, 1))


def _resize_rows(image: NDArray[Number], factor: float) -> NDArray[Number]:
    indices, weights = _taps(image.shape[0], factor)
    values = image.astype(np.float64)
    weights = weights.reshape(*weights.shape, *([1] * (image.ndim - 1)))
    total = values[indices[0]] * weights[0]
    # A loop adds the few taps in a fixed order. With BLAS, ties would round differently on each machine.
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        total += values[index] * weight
    if image.dtype == np.uint8:
        total = np.clip(np.floor(total + 0.5), 0, 255)
    return total.astype(image.dtype)


@lru_cache(maxsize=256)
def _taps(size: int, factor: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the input rows that contribute to each output row, and their weights: two arrays (taps, output size)."""
    shrink = min(factor, 1.0)
    support = 4 / shrink
    # MATLAB counts pixels from 1.
    centre = np.arange(1, math.ceil(factor * size) + 1) / factor + 0.5 * (1 - 1 / factor)
    first = np.floor(centre - support / 2)
    indices = first + np.arange(math.ceil(support) + 2)[:, None]
    weights = shrink * _cubic(shrink * (centre - indices))
    weights /= weights.sum(0)
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    used = np.any(weights != 0, axis=1)
    return mirrored[(indices[used].astype(np.int64) - 1) % (2 * size)], weights[used]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns Keys' cubic kernel with a = -0.5, evaluated at `x`."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
