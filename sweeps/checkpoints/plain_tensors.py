"""Checks whether a tensor from a file consists of plain real numbers, which a network can use."""

import torch
from torch import Tensor


def unusual(tensor: Tensor) -> str:
    """Returns a phrase for the content of a tensor that is not plain real numbers, such as 'no values' or 'qint8,
    strided'. '' if the tensor is plain.
    """
    if tensor.is_meta:
        return "no values"
    if tensor.is_quantized or tensor.is_complex() or tensor.layout is not torch.strided:
        return f"{tensor.dtype}, {tensor.layout}".replace("torch.", "")
    return ""
