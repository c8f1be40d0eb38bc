"""Tells whether a tensor that a file holds is a plain one, which a network can take over, and writes its name in messages."""

import torch
from torch import Tensor

from searchspace.errors import shown

LONGEST_NAME = 100


def printed(name: str) -> str:
    """Returns a name from a file for a message. Control characters are escaped, and a long name is cut."""
    return name if name.isprintable() and len(name) <= LONGEST_NAME else shown(name)


def unusual(tensor: Tensor) -> str:
    """Returns what a tensor holds instead of plain real numbers, such as 'no values' or 'qint8, strided'; '' if it is plain."""
    if tensor.is_meta:
        return "no values"
    if tensor.is_quantized or tensor.is_complex() or tensor.layout is not torch.strided:
        return f"{tensor.dtype}, {tensor.layout}".replace("torch.", "")
    return ""
