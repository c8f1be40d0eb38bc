"""Bicubic upscaling as MATLAB's imresize computes it. Papers train and test their networks with this method.

The cubic kernel has a parameter a. MATLAB uses a = -0.5. PyTorch uses a = -0.75 and repeats border pixels instead of
mirroring them. On Set5, with pixel values in [0, 1], images that PyTorch upscales differ from MATLAB's by up to 0.065.
A network loses quality if its training images and its test images were resized with different kernels.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional as F

_by_convolution: ContextVar[bool] = ContextVar("by_convolution", default=False)


def enlarge_as_matlab(x: Tensor, scale: int) -> Tensor:
    """Upscales (N, C, H, W) to (N, C, sH, sW), where s is `scale`. The cubic kernel has a = -0.5 (docs/facts.md 9).

    Pixels beyond the border are mirrored. The function adds shifted copies of the image. It uses no convolution, so it
    costs no Mult-Adds, and every exporter supports its operators.
    """
    if _by_convolution.get():
        mirrored = _mirrored_for_export(_mirrored_for_export(x).transpose(2, 3)).transpose(2, 3)
        channels = x.shape[1]
        # Built from a list, so that an export stores a constant instead of operators.
        weight = torch.tensor(cubic_weight(scale, 1, channels, a=-0.5), dtype=x.dtype)
        return F.pixel_shuffle(F.conv2d(mirrored, weight.to(x.device), groups=channels), scale)
    wider = _enlarge_columns(x, scale)
    return _enlarge_columns(wider.transpose(2, 3), scale).transpose(2, 3)


def _enlarge_columns(x: Tensor, scale: int) -> Tensor:
    size = x.shape[3]
    mirrored = _mirrored_for_export(x) if torch.compiler.is_compiling() else _mirrored(x)
    phases = []
    for phase in range(scale):
        centre = (phase + 0.5) / scale - 0.5
        left = math.floor(centre) - 1
        taps = [
            _cubic(centre - offset) * mirrored[..., 2 + offset : 2 + offset + size]
            for offset in range(left, left + 4)
        ]
        phases.append(taps[0] + taps[1] + taps[2] + taps[3])
    return torch.stack(phases, 4).flatten(3)


def _mirrored(x: Tensor) -> Tensor:
    """Pads (N, C, H, W) with two mirrored columns on the left and two on the right."""
    size = x.shape[3]
    first, last, step = x[..., :1], x[..., -1:], min(1, size - 1)
    second, last_but_one = x[..., step : step + 1], x[..., size - 1 - step : size - step]
    return torch.cat([second, first, x, last, last_but_one], 3)


def _mirrored_for_export(x: Tensor) -> Tensor:
    """Returns the same result as `_mirrored`, in a form whose traced graph works for images of every size.

    It needs more memory than `_mirrored`. If the image has one column, all four padding columns are copies of it.
    """
    wider = torch.cat([x[..., :1], x, x[..., -1:]], 3)
    return torch.cat([wider[..., 2:3], wider, wider[..., -3:-2]], 3)


@contextmanager
def by_convolution() -> Iterator[None]:
    """Makes `enlarge_as_matlab` use a convolution and a pixel shuffle inside the `with` block.

    The result is the same except for rounding errors. Runtimes on phones execute these two operators faster than many
    sums, and quantise them better. Those runtimes also reject the rank-5 tensors of the usual form.
    """
    token = _by_convolution.set(True)
    try:
        yield
    finally:
        _by_convolution.reset(token)


def reach(p: int, q: int) -> tuple[int, int]:
    """Returns how many pixels of padding `cubic_weight` needs before and after an image, as (before, after)."""
    first, last = 0.5 * q / p - 0.5, (p - 0.5) * q / p - 0.5
    return 1 - math.floor(first), max(0, math.floor(last) + 3 - q)


def cubic_weight(p: int, q: int, channels: int, *, a: float) -> list[list[list[list[float]]]]:
    """Returns the weight of a depthwise convolution that resizes an image by p / q, together with a pixel shuffle by p.

    The convolution has stride q, and the cubic kernel has the parameter `a`. The image (N, C, q * h, q * w) must first
    be padded in height and width by the numbers of pixels that `reach` returns. The weight is (C * p * p, 1, k, k),
    where C is `channels`.
    """
    centres = [(phase + 0.5) * q / p - 0.5 for phase in range(p)]
    before = 1 - math.floor(min(centres))
    side = before + math.floor(max(centres)) + 3
    taps = [[_cubic(centre - (i - before), a) for i in range(side)] for centre in centres]
    return [
        [[[r * c for c in columns] for r in rows]] for rows in taps for columns in taps
    ] * channels


def _cubic(distance: float, a: float = -0.5) -> float:
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0
