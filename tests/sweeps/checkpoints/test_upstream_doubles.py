"""Checkpoints as the authors' public code saves them: the same weights must give the same output.

The doubles are written from the public files that they name, in the order and with the names of those files. Each is
saved with random weights and loaded into our family, and both are run.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from searchspace.discover import FAMILIES
from searchspace.strategies.colours import rgb_to_ycbcr
from sweeps.checkpoints.upstream_weights import load_weights
from tests.sweeps.checkpoints.doubles.descendants import (
    edsr_of_basicsr,
    rcan_of_basicsr,
    slwsr,
    swisenet,
)
from tests.sweeps.checkpoints.doubles.mobile import abpn_of_aimet, ecbsr
from tests.sweeps.checkpoints.doubles.others import (
    drrn,
    fsrcnn,
    idn,
    imdn,
    lapsrn,
    srcnn,
    vdsr,
    vdsr_at_first,
)
from tests.sweeps.checkpoints.doubles.parts import MEAN, keeping_shifts
from tests.sweeps.checkpoints.doubles.reparameterised import efdn, span, spanv2
from tests.sweeps.checkpoints.doubles.residual import awsrn, carn, edsr, rcan, wdsr


def image(rows: int = 8, columns: int = 6) -> Tensor:
    return torch.rand((1, 3, rows, columns), generator=torch.Generator().manual_seed(1))


def up_to_1(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(rgb)


def up_to_255(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(rgb * 255) / 255


def scaling_inside(network: nn.Module, rgb: Tensor) -> Tensor:
    """BasicSR's networks take colours up to 1 and multiply them by 255 themselves."""
    return network(rgb)


def centred(network: nn.Module, rgb: Tensor) -> Tensor:
    """WDSR and AWSRN scale colours in this way. Their code does not store the mean in the state."""
    mean = 255 * MEAN.view(1, 3, 1, 1)
    return (network((255 * rgb - mean) / 127.5) * 127.5 + mean) / 255


def on_luma(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(rgb_to_ycbcr(rgb)[:, :1])


def clipped(network: nn.Module, rgb: Tensor) -> Tensor:
    """EFDN clips its own image. Its pooling needs 15 rows and columns."""
    return network(rgb)


def on_luma_up_to_255(network: nn.Module, rgb: Tensor) -> Tensor:
    return network(255 * rgb_to_ycbcr(rgb)[:, :1]) / 255


def up_to_1_where_ours_scales(network: nn.Module, rgb: Tensor) -> Tensor:
    """Forks give colours up to 1 to a network whose authors give it up to 255. `adapt` changes our range."""
    return network(rgb)


Feed = Callable[[nn.Module, Tensor], Tensor]
AIMET = {"n_feats": 8, "n_blocks": 5, "image_conv": False, "clip": False}
SMALL_ECBSR = {"n_feats": 8, "n_blocks": 2}
SMALL_EDSR = {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}
SMALL_RCAN = {"n_feats": 8, "n_groups": 2, "n_blocks": 2, "reduction": 4}
SMALL_AWSRN = {"n_feats": 4, "inner_feats": 8, "n_blocks": 2, "units_per_block": 4}
CARN_M = {"n_feats": 8, "unit": "efficient", "groups": 4, "recursive": True}
SMALL_V2 = {
    **{"n_feats": 8, "n_blocks": 5, "layout": "v2", "activation": "relu"},
    **{"block_attention": "guided", "bias": False, "upsampler": "separable"},
}
CASES: list = [
    (lambda: edsr(8, 2, 4), up_to_255, "edsr", {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}, 4),
    (lambda: edsr(8, 2, 3), up_to_255, "edsr", {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}, 3),
    (lambda: rcan(8, 2, 2, 2), up_to_255, "rcan", {"n_feats": 8, "n_groups": 2, "n_blocks": 2, "reduction": 4}, 2),
    (lambda: carn(8, 4, several=False), up_to_1, "carn", {"n_feats": 8}, 4),
    *((lambda s=s: carn(8, s, several=True), up_to_1, "carn", {"n_feats": 8}, s) for s in (2, 3, 4)),
    *((lambda s=s: carn(8, s, several=True, groups=4, small=True), up_to_1, "carn", CARN_M, s) for s in (2, 3, 4)),
    (lambda: awsrn(4, 8, 2, 4, 3), centred, "awsrn", SMALL_AWSRN, 3),
    (lambda: awsrn(4, 8, 2, 4, 2, listed=True), centred, "awsrn", SMALL_AWSRN, 2),
    (lambda: edsr_of_basicsr(8, 2, 4), scaling_inside, "edsr", SMALL_EDSR, 4),
    (lambda: rcan_of_basicsr(8, 2, 2, 3), scaling_inside, "rcan", SMALL_RCAN, 3),
    (lambda: slwsr(8, 4), up_to_255, "slwsr", {"n_feats": 8}, 4),
    (lambda: slwsr(8, 3), up_to_255, "slwsr", {"n_feats": 8}, 3),
    (lambda: swisenet(8, 2), up_to_1, "swisenet", {"n_feats": 8}, 2),
    (lambda: wdsr(8, 3, 2, "a"), centred, "wdsr", {"n_feats": 8, "n_blocks": 3}, 2),
    (lambda: wdsr(8, 3, 4, "b"), centred, "wdsr", {"n_feats": 8, "n_blocks": 3, "kind": "b", "expand_ratio": 6}, 4),
    (lambda: wdsr(8, 3, 2, "a"), centred, "wdsr", {"n_feats": 8, "n_blocks": 3, "weight_norm": False}, 2),
    (lambda: imdn(16, 2), up_to_1, "imdn", {"n_feats": 16}, 2),
    (lambda: idn(16, 3), up_to_255, "idn", {"n_feats": 16}, 3),
    (lambda: fsrcnn(3), on_luma, "fsrcnn", {"colours": 1}, 3),
    (lambda: srcnn(2), on_luma, "srcnn", {}, 2),
    (lambda: vdsr(3), on_luma, "vdsr", {}, 3),
    (lambda: vdsr_at_first(3), on_luma, "vdsr", {}, 3),
    (lambda: drrn(2), on_luma, "drrn", {}, 2),
    *((lambda f=f: span(8, 2, f), scaling_inside, "span", {"n_feats": 8}, 2) for f in ("both", "branches", "deployed")),
    (lambda: span(8, 3, "both"), scaling_inside, "span", {"n_feats": 8, "block": "plain"}, 3),
    (lambda: span(8, 4, "deployed"), scaling_inside, "span", {"n_feats": 8, "block": "plain"}, 4),
    (lambda: span(8, 4, "both", 1), scaling_inside, "span", {"n_feats": 8, "image_range": 1}, 4),
    (lambda: spanv2(8, 4), scaling_inside, "span", SMALL_V2, 4),
    (lambda: spanv2(8, 2), scaling_inside, "span", SMALL_V2 | {"block": "plain"}, 2),
    (lambda: efdn(8, 4), clipped, "efdn", {"n_feats": 8}, 4),
    (lambda: efdn(8, 3), clipped, "efdn", {"n_feats": 8, "block": "plain"}, 3),
    (lambda: ecbsr(8, 2, 2, 1), on_luma_up_to_255, "ecbsr", SMALL_ECBSR, 2),
    (lambda: ecbsr(8, 2, 3, 1, first=True), on_luma_up_to_255, "ecbsr", SMALL_ECBSR, 3),
    (lambda: ecbsr(8, 2, 4, 1, plain=True), on_luma_up_to_255, "ecbsr", SMALL_ECBSR | {"block": "plain"}, 4),
    (lambda: ecbsr(8, 2, 3, 3, repeated=True), up_to_1_where_ours_scales, "ecbsr", SMALL_ECBSR | {"colours": 3}, 3),
    (lambda: abpn_of_aimet(8, 2), up_to_1_where_ours_scales, "abpn", AIMET, 2),
    (lapsrn, on_luma, "lapsrn", {"enlarging_kernel": 4, "bias": False}, 4),
]  # fmt: skip


def loaded(folder: Path, state: dict, family: str, knobs: dict, scale: int) -> nn.Module:
    """Our network with the weights of a file that holds `state`."""
    torch.save(state, folder / "upstream.pth")
    network = architecture(family, knobs).network(scale)
    load_weights(network, folder / "upstream.pth")
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("upstream", "feed", "family", "knobs", "scale"),
    CASES,
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_upstream_weights_give_the_upstream_output(
    tmp_path: Path,
    upstream: Callable[[], nn.Module],
    feed: Feed,
    family: str,
    knobs: dict,
    scale: int,
) -> None:
    theirs = keeping_shifts(upstream())
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    ours = loaded(tmp_path, state, family, knobs, scale)
    seen = image(24, 18) if feed is clipped else image()
    with torch.no_grad():
        wanted, got = feed(theirs, seen), ours(seen)
        if feed in (on_luma, on_luma_up_to_255):
            got = rgb_to_ycbcr(got)[:, :1]
        if feed is clipped:
            got = got.clamp(0, 1)
    assert wanted.shape == got.shape
    assert wanted.std() > 1e-3
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert FAMILIES[family].upstream_range == (1 if feed in (up_to_1, on_luma, clipped) else 255)
