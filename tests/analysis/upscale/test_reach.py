"""Tests how far networks see, and that tiles which overlap by this distance give the output of the whole image."""

import numpy as np
import pytest
import torch

from analysis.upscale.enlarge import NotFinite, Upscaler
from analysis.upscale.reach import reach_of
from searchspace.architecture import architecture

SMALL = {"n_feats": 4, "n_blocks": 1}


def test_the_reach_of_plain_convolutions_is_the_sum_of_their_radii() -> None:
    # The head, the two convolutions of a block, the convolution after the blocks, the upsampler and the tail.
    reach = reach_of(architecture("edsr", SMALL), 2)
    assert reach.is_local
    assert reach.pixels is not None
    assert 5 <= reach.pixels <= 6
    assert reach_of(architecture("edsr", SMALL | {"n_blocks": 3}), 2).pixels == reach.pixels + 4


def test_global_pooling_has_no_reach() -> None:
    reach = reach_of(architecture("rcan", SMALL | {"n_groups": 1}), 2)
    assert (reach.pixels, reach.is_local) == (None, False)


@pytest.mark.parametrize(("short", "same"), [(0, True), (3, False)])
def test_tiles_that_overlap_by_the_reach_give_the_whole_image(short: int, same: bool) -> None:
    chosen = architecture("edsr", SMALL)
    torch.manual_seed(0)
    network = chosen.network(2).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    reach = reach_of(chosen, 2).pixels
    assert reach is not None

    def run(low_res: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(low_res)).numpy()

    image = np.random.default_rng(0).integers(0, 256, (45, 61, 3), dtype=np.uint8)
    whole = Upscaler(run=run, scale=2).enlarged(image)
    tiled = Upscaler(run=run, scale=2, tile=24, overlap=reach - short).enlarged(image)
    assert (np.abs(tiled.astype(int) - whole).max() <= 1) == same


def test_an_output_that_is_not_finite_is_an_error() -> None:
    def run(low_res: np.ndarray) -> np.ndarray:
        return np.full((1, 3, *low_res.shape[2:]), np.nan, np.float32)

    with pytest.raises(NotFinite):
        Upscaler(run=run, scale=1).enlarged(np.zeros((2, 2), np.uint8))
