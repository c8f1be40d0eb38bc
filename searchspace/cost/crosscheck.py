"""Mult-Adds as thop counts them, to check our own count against (FACTS 0)."""

import copy
import warnings

import torch
from torch import Tensor, nn

from searchspace.cost.subject import Subject

with warnings.catch_warnings():
    # thop still imports distutils, which Python 3.11 announces to remove.
    warnings.simplefilter("ignore", DeprecationWarning)
    from thop import profile
    from thop.profile import register_hooks

COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers that both count."""


def thop_multadds(network: nn.Module, low_res: Tensor) -> int:
    """Multiply-accumulates that thop counts in the convolutions and linear layers of `network`.

    thop knows layers by their exact type and sees neither functional calls nor matrix products; what it
    adds for norms, PReLU, leaky ReLU, pooling and interpolation is left out, as those cost nothing in
    the papers' convention. It runs on a copy, since it leaves buffers behind in every module.
    """
    free = {layer: _free for layer in register_hooks if layer not in COUNTED}
    multadds, _ = profile(copy.deepcopy(network), (low_res,), custom_ops=free, verbose=False)
    return int(multadds)


def thop_count(subject: Subject) -> int:
    """`thop_multadds` of the subject's deployed network for one 1280x720 output image."""
    return thop_multadds(subject.deployed, torch.empty((1, 3, *subject.low_res), device="meta"))


def _free(module: nn.Module, inputs: object, output: object) -> None:
    """A layer that costs nothing."""
