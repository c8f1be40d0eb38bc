"""Checks whether a tensor from a file consists of plain real numbers, which a network can use."""

import torch
from torch import Tensor


def unusual(tensor: Tensor) -> str:
    """Returns '' if a tensor holds plain real numbers, otherwise a phrase such as 'no values' or 'qint8, strided'."""
    if tensor.is_meta:
        return "no values"
    if tensor.is_quantized or tensor.is_complex() or tensor.layout is not torch.strided:
        return f"{tensor.dtype}, {tensor.layout}".replace("torch.", "")
    return ""
