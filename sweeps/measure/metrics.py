"""PSNR and SSIM of the luma, and PSNR of RGB, as super-resolution papers report them (docs/facts.md 9).

Images are 8-bit RGB. Y is BT.601's luma in [16, 235], in double precision. It is not rounded, because rounding would
lower the PSNR on Set5 x2 by 0.09 dB. Before images are compared, `scale` pixels are cropped on each side. Everything is
computed in torch on the device that holds the images. The functions that take numpy arrays convert them to tensors
first.

The PSNR of RGB is computed from one mean squared error over all pixels and channels. The efficiency challenges of NTIRE
compute it on DIV2K's validation images. They use 8-bit images and crop `scale` pixels on each side
(Amazingren/NTIRE2024_ESR at 2cefc5d, test_demo.py: `border = sf`). EDSR's code crops `scale` + 6 pixels there
(sanghyun-son/EDSR-PyTorch at 075eeec, src/utility.py: `shave`), so its values refer to a smaller part of each image.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from searchspace.errors import UserError

WINDOW = 11
"""Side of SSIM's Gaussian window, in pixels."""

SIGMA = 1.5
"""Standard deviation of SSIM's Gaussian window, in pixels."""

PEAK = 255.0
"""Largest value of a pixel."""


def scores_y(super_res: Tensor, high_res: Tensor, scale: int) -> Tensor:
    """Returns float64 (N, 2): the PSNR in dB and the SSIM between the lumas of N pairs of uint8 images.

    Both batches have shape (N, H, W, 3). `scale` pixels are cropped on each side. The result is on the device of the
    images. The host does not wait for a GPU. Raises UserError if the sizes of the batches differ, or if a cropped image
    is smaller than SSIM's window.
    """
    _check(super_res, high_res, scale, smallest=WINDOW)
    pair = _luma_within(super_res, scale), _luma_within(high_res, scale)
    return torch.stack([psnrs(*pair), ssims(*pair)], -1)


def psnrs_rgb(super_res: Tensor, high_res: Tensor, scale: int) -> Tensor:
    """Returns float64 (N,): the PSNR in dB over all three channels of N pairs of uint8 images.

    Both batches have shape (N, H, W, 3). `scale` pixels are cropped on each side. Squared errors are summed as integers,
    so the result is equal on every device. The PSNR of equal images is infinite. Raises UserError if the sizes of the
    batches differ, or if cropping leaves no pixel.
    """
    _check(super_res, high_res, scale, smallest=1)
    a, b = (_within(images, scale).to(torch.int32) for images in (super_res, high_res))
    errors = (a - b).square_().sum((-3, -2, -1)).to(torch.float64)
    return 10 * torch.log10(PEAK**2 * a[0].numel() / errors)


def luma(image: Tensor) -> Tensor:
    """Returns BT.601's luma, float64 (..., H, W) in [16, 235] and not rounded, of RGB images (..., H, W, 3)."""
    red, green, blue = (image[..., channel].to(torch.float64, copy=True) for channel in range(3))
    return red.mul_(65.481).add_(green.mul_(128.553)).add_(blue.mul_(24.966)).div_(255).add_(16)


def psnrs(a: Tensor, b: Tensor) -> Tensor:
    """Returns the PSNR [dB] of each pair of float64 images (..., H, W) in [0, 255], with shape (...).

    The PSNR of equal images is infinite.
    """
    return 10 * torch.log10(PEAK**2 / (a - b).square_().mean((-2, -1)))


def ssims(a: Tensor, b: Tensor) -> Tensor:
    """Returns the mean SSIM of each pair of float64 images (..., H, W) in [0, 255], with shape (...).

    H and W must be at least WINDOW. Source: Wang et al. 2004, equation 13, with Gaussian weights, K1 = 0.01, K2 = 0.03
    and population moments.
    """
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    # Only the sum of the two variances is needed. Four images are therefore filtered instead of five.
    mean_a, mean_b, squares, product = _blurred(torch.stack([a, b, a * a + b * b, a * b]))
    both = mean_a * mean_b
    means = mean_a.square_().add_(mean_b.square_())
    similarity = product.sub_(both).mul_(2).add_(c2) * both.mul_(2).add_(c1)
    similarity /= squares.sub_(means).add_(c2) * means.add_(c1)
    return similarity.mean((-2, -1))


def rgb_to_y(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns BT.601's luma (H, W), in [16, 235] and not rounded, of an RGB image (H, W, 3)."""
    y: NDArray[np.float64] = luma(_tensor(image)).numpy()
    return y


def psnr_y(super_res: NDArray[np.uint8], high_res: NDArray[np.uint8], scale: int) -> float:
    """Returns the PSNR in dB between the lumas of two uint8 images (H, W, 3). It is infinite for equal lumas.

    `scale` pixels are cropped on each side. Raises UserError if the sizes of the images differ, or if cropping leaves
    no pixel.
    """
    pair = _tensor(super_res), _tensor(high_res)
    _check(*pair, scale, smallest=1)
    return float(psnrs(*(_luma_within(image, scale) for image in pair)))


def ssim_y(super_res: NDArray[np.uint8], high_res: NDArray[np.uint8], scale: int) -> float:
    """Returns the SSIM between the lumas of two uint8 images (H, W, 3): the mean over all positions of the window.

    `scale` pixels are cropped on each side. Raises UserError if the sizes of the images differ, or if a cropped image
    is smaller than the window.
    """
    pair = _tensor(super_res), _tensor(high_res)
    _check(*pair, scale, smallest=WINDOW)
    return float(ssims(*(_luma_within(image, scale) for image in pair)))


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Returns the PSNR in dB between two images (H, W) in [0, 255], without cropping. It is infinite for equal images."""
    return float(psnrs(_tensor(a), _tensor(b)))


def ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Returns the mean SSIM of two images (H, W) in [0, 255], without cropping. H and W must be at least WINDOW."""
    return float(ssims(_tensor(a), _tensor(b)))


def _blurred(images: Tensor) -> Tensor:
    """Returns the Gaussian-weighted local means (..., H - 10, W - 10) at all positions where the window fits.

    The function adds shifted images, because torch's float64 convolution takes three times as long on a CPU.
    """
    for axis in (-2, -1):
        size = images.shape[axis] - WINDOW + 1
        total = images.narrow(axis, 0, size) * _weights()[0]
        for i, weight in enumerate(_weights()[1:], start=1):
            total.add_(images.narrow(axis, i, size), alpha=weight)
        images = total
    return images


@cache
def _weights() -> tuple[float, ...]:
    """Returns the Gaussian window along one axis: WINDOW weights, which sum to 1."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    return tuple((weights / weights.sum()).tolist())


def _luma_within(images: Tensor, border: int) -> Tensor:
    return luma(_within(images, border))


def _within(images: Tensor, border: int) -> Tensor:
    height, width = images.shape[-3:-1]
    return images[..., border : height - border, border : width - border, :]


def _tensor(image: NDArray[np.generic]) -> Tensor:
    # The image is copied, because torch cannot use the read-only pages of a cache.
    return torch.from_numpy(np.array(image))


def _check(super_res: Tensor, high_res: Tensor, scale: int, *, smallest: int) -> None:
    for images in (super_res, high_res):
        if images.dtype != torch.uint8 or images.ndim < 3 or images.shape[-1] != 3:
            kind = str(images.dtype).removeprefix("torch.")
            raise UserError(
                f"metric: images must be uint8 (H, W, 3), got {kind} {tuple(images.shape)}"
            )
    size, original = tuple(super_res.shape[-3:]), tuple(high_res.shape[-3:])
    if super_res.shape != high_res.shape:
        raise UserError(f"metric: images must have the same size, got {size} and {original}")
    least = smallest + 2 * scale
    height, width, _ = original
    if min(height, width) < least:
        raise UserError(
            f"metric: image must be at least {least}x{least} pixels ({smallest} pixels inside a border of "
            f"{scale} pixels), got {width}x{height}"
        )
