"""Finds the reach of a network: the distance of the farthest input pixel on which an output pixel depends.

Tiles overlap by the reach. The reach is measured by running the network. One input pixel is set to NaN. Every output
pixel that depends on it becomes NaN, whatever the weights are. Even a convolution with a weight of 0 passes NaN on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from searchspace.architecture import Architecture
from searchspace.layers import deployed
from sweeps.device import num_threads

ROWS = 4
"""Height, in low-resolution pixels, of the strips that go through the network. Their width grows until the reach fits."""
NARROWEST, WIDEST = 64, 512
"""Smallest and largest width of a strip. A reach that does not fit into the widest strip counts as the whole image."""
SHIFT = 5
"""Number of columns that are cut off a strip for the second test. 5 shares no factor with the usual strides and windows."""
LARGEST_DIFFERENCE = 1e-9
"""Maximum difference that counts as a rounding error in double precision, relative to the largest value."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far an output pixel of a network looks, and whether its position in the image matters."""

    pixels: int | None
    """Largest distance, along rows or columns, between an output pixel and an input pixel on which it depends, in
    low-resolution pixels. None if the reach spans the whole image, for example because of global pooling."""
    is_position_free: bool
    """Whether an output pixel depends only on its surroundings, not on its position in the image. Strided pooling and
    attention in windows make it depend on its position."""

    @property
    def is_local(self) -> bool:
        """Whether tiles that overlap by `pixels` give, up to rounding, the same result as the image in one piece."""
        return self.pixels is not None and self.is_position_free


def reach_of(architecture: Architecture, scale: int) -> Reach:
    """Returns the reach of the deployed network of `architecture`, which does not depend on the weights.

    The state of torch's random number generator stays unchanged.
    """
    # Strips are so small that several threads would only wait for each other.
    with torch.random.fork_rng(devices=[]), torch.no_grad(), num_threads(1):
        torch.manual_seed(0)
        network = deployed(architecture.network(scale)).cpu().eval()
        pixels = _farthest(network)
        if pixels is None:
            return Reach(pixels=None, is_position_free=False)
        return Reach(pixels=pixels, is_position_free=_is_position_free(network, pixels))


def _farthest(network: nn.Module) -> int | None:
    width = NARROWEST
    while width <= WIDEST:
        found = max(_along(network, width, turned) for turned in (False, True))
        if found < width // 2 - 1:
            return found
        width *= 2
    return None


def _along(network: nn.Module, width: int, turned: bool) -> int:
    """Returns the reach along the rows of a strip of `width` columns, or along the columns of a transposed strip if
    `turned`.
    """
    low_res = torch.rand(1, 3, ROWS, width)
    middle = width // 2
    low_res[..., ROWS // 2, middle] = float("nan")
    super_res = _enlarged(network, low_res, turned)
    scale = super_res.shape[3] // width
    columns = super_res.isnan().flatten(0, 2).any(0).nonzero().flatten().div(scale).floor()
    return int((columns - middle).abs().max())


def _enlarged(network: nn.Module, low_res: Tensor, turned: bool) -> Tensor:
    if not turned:
        return network(low_res)
    return network(low_res.mT.contiguous()).mT


def _is_position_free(network: nn.Module, pixels: int) -> bool:
    """Returns whether the output for the middle of a strip stays the same when the strip is cut at one end."""
    network = network.double()
    for parameter in network.parameters():
        # Zeros, with which some families start, would hide a difference.
        parameter.add_(0.02 * torch.randn_like(parameter))
    low_res = torch.rand(1, 3, ROWS, 2 * pixels + 2 * SHIFT, dtype=torch.float64)
    for turned in (False, True):
        whole = _enlarged(network, low_res, turned)
        part = _enlarged(network, low_res[..., SHIFT:], turned)
        scale = whole.shape[3] // low_res.shape[3]
        # Near the cut the part lacks pixels that the whole strip has.
        expected = whole[..., scale * (SHIFT + pixels) :]
        difference = (part[..., scale * pixels :] - expected).abs().max()
        if not difference <= LARGEST_DIFFERENCE * expected.abs().max():
            return False
    return True
