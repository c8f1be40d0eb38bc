"""Counts Mult-Adds with thop, to check srsweep's own count (docs/facts.md 0).

thop is imported only when one of these functions is called, so the rest of srsweep does not need thop.
"""

import copy
import warnings

import torch
from torch import Tensor, nn

from searchspace.cost.counting.subject import Subject

COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""The layer types that both thop and srsweep count."""


def thop_multadds(network: nn.Module, low_res: Tensor) -> int:
    """Returns the multiply-accumulates that thop counts in the convolutions and linear layers of `network`.

    `low_res` is an input (N, 3, H, W). thop recognises layers by their exact type, so it misses functional calls and
    matrix products. Its counts for norms, PReLU, leaky ReLU, pooling and interpolation are set to zero, because papers
    do not count these layers. thop leaves buffers in every module, so it gets a copy of `network`.
    """
    with warnings.catch_warnings():
        # thop imports distutils, and Python 3.11 warns that it is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        from thop.profile import profile, register_hooks

    free = {layer: _free for layer in register_hooks if layer not in COUNTED}
    multadds, _ = profile(copy.deepcopy(network), (low_res,), custom_ops=free, verbose=False)
    return int(multadds)


def thop_count(subject: Subject) -> int:
    """Returns the multiply-accumulates that thop counts in the deployed network for one 1280x720 output image."""
    return thop_multadds(subject.deployed, torch.empty((1, 3, *subject.low_res), device="meta"))


def _free(module: nn.Module, inputs: object, output: object) -> None:
    """Counts nothing for a layer."""
