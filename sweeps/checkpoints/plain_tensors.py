"""Tells whether a tensor that a file holds is a plain one, which a network can take over."""

import torch
from torch import Tensor


def unusual(tensor: Tensor) -> str:
    """Returns what a tensor holds instead of plain real numbers, such as 'no values' or 'qint8, strided'; '' if it is plain."""
    if tensor.is_meta:
        return "no values"
    if tensor.is_quantized or tensor.is_complex() or tensor.layout is not torch.strided:
        return f"{tensor.dtype}, {tensor.layout}".replace("torch.", "")
    return ""
