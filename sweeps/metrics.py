"""PSNR and SSIM of the luma, as super-resolution papers report them (FACTS 9).

Images are 8-bit RGB. Y is BT.601's luma in [16, 235], in double precision and not rounded: rounding
it would lower PSNR on Set5 x2 by 0.09 dB. `scale` pixels are cropped at each border.
"""

import math

import numpy as np
from numpy.typing import NDArray

WINDOW = 11
"""Side of SSIM's Gaussian window."""

SIGMA = 1.5
"""Standard deviation of SSIM's Gaussian window, in pixels."""

PEAK = 255.0


def rgb_to_y(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """BT.601's luma (H, W) in [16, 235] of an RGB image (H, W, 3), not rounded."""
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255


def psnr_y(super_res: NDArray[np.uint8], high_res: NDArray[np.uint8], scale: int) -> float:
    """PSNR [dB] of the luma of two images uint8 (H, W, 3); infinite where they are equal.

    Raises ValueError if sizes differ or nothing is left within the cropped border.
    """
    _check(super_res, high_res, scale, smallest=1)
    return psnr(_luma_within(super_res, scale), _luma_within(high_res, scale))


def ssim_y(super_res: NDArray[np.uint8], high_res: NDArray[np.uint8], scale: int) -> float:
    """SSIM of the luma of two images uint8 (H, W, 3), mean over the window's valid positions.

    Raises ValueError if sizes differ or the window does not fit within the cropped border.
    """
    _check(super_res, high_res, scale, smallest=WINDOW)
    return ssim(_luma_within(super_res, scale), _luma_within(high_res, scale))


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """PSNR [dB] of two images (H, W) in [0, 255]."""
    squared_error = float(np.mean((a - b) ** 2))
    return 10 * math.log10(PEAK**2 / squared_error) if squared_error else math.inf


def ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean SSIM of two images (H, W) in [0, 255], both sides at least WINDOW.

    Source: Wang et al. 2004, equation 13: Gaussian weights, K1 = 0.01, K2 = 0.03, population moments.
    """
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    # The two variances appear only as a sum: four filtered images instead of five.
    mean_a, mean_b, squares, product = _blurred(np.stack([a, b, a * a + b * b, a * b]))
    both, means = mean_a * mean_b, mean_a**2 + mean_b**2
    similarity = (2 * both + c1) * (2 * (product - both) + c2)
    similarity /= (means + c1) * (squares - means + c2)
    return float(similarity.mean())


def _blurred(images_chw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted local means where the whole window lies inside: (C, H - 10, W - 10)."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    rows = images_chw.shape[1] - WINDOW + 1
    down = sum(weight * images_chw[:, i : i + rows] for i, weight in enumerate(weights))
    assert isinstance(down, np.ndarray)
    columns = images_chw.shape[2] - WINDOW + 1
    across = sum(weight * down[..., i : i + columns] for i, weight in enumerate(weights))
    assert isinstance(across, np.ndarray)
    return across


def _luma_within(image: NDArray[np.uint8], border: int) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    return rgb_to_y(image[border : height - border, border : width - border])


def _check(
    super_res: NDArray[np.uint8], high_res: NDArray[np.uint8], scale: int, *, smallest: int
) -> None:
    for image in (super_res, high_res):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"metric: images must be uint8 (H, W, 3), got {image.dtype} {image.shape}"
            )
    if super_res.shape != high_res.shape:
        raise ValueError(
            f"metric: images must have the same size, got {super_res.shape} and {high_res.shape}"
        )
    least = smallest + 2 * scale
    height, width = high_res.shape[:2]
    if min(height, width) < least:
        raise ValueError(
            f"metric: image must be at least {least}x{least} pixels ({smallest} within a border of "
            f"{scale}), got {width}x{height}"
        )
