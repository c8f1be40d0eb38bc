"""Bicubic enlargement as MATLAB's imresize computes it. Papers train and test their networks with it.

The cubic kernel has a parameter a. MATLAB uses a = -0.5. PyTorch uses a = -0.75 and repeats border pixels instead of
mirroring them. On Set5, with pixel values in [0, 1], images that PyTorch enlarges differ from MATLAB's by up to 0.065. A
network loses quality if its training images and its test images were enlarged with different kernels.
"""

import math

import torch
from torch import Tensor


def enlarge_as_matlab(x: Tensor, scale: int) -> Tensor:
    """Enlarges (N, C, H, W) to (N, C, sH, sW), where s is `scale`, with the cubic kernel of a = -0.5 (docs/facts.md 9).

    Pixels beyond the border are mirrored. The function adds shifted copies of the image. It uses no convolution, so it
    costs no Mult-Adds, and every exporter supports its operators.
    """
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
    """Adds the first two columns, mirrored, before (N, C, H, W), and the last two behind it."""
    size = x.shape[3]
    first, last, step = x[..., :1], x[..., -1:], min(1, size - 1)
    second, last_but_one = x[..., step : step + 1], x[..., size - 1 - step : size - step]
    return torch.cat([second, first, x, last, last_but_one], 3)


def _mirrored_for_export(x: Tensor) -> Tensor:
    """Returns what `_mirrored` returns, by operators whose result does not depend on the size that is traced.

    It needs more memory. In an image of one column, the second column and the last but one are that column.
    """
    wider = torch.cat([x[..., :1], x, x[..., -1:]], 3)
    return torch.cat([wider[..., 2:3], wider, wider[..., -3:-2]], 3)


def _cubic(distance: float) -> float:
    x = abs(distance)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0
