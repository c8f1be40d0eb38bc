"""Checkpoints of the public code of networks since 2022: the same weights must give the same output.

These networks pool, so their images are larger than those of `test_upstream_doubles`, and no factor divides their sides.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from searchspace.architecture import architecture
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from sweeps.checkpoints.upstream_weights import Loaded, load_weights
from tests.sweeps.checkpoints.doubles.parts import keeping_shifts
from tests.sweeps.checkpoints.doubles.recent import bsrn, bsrn_s, rlfn, safmn
from tests.sweeps.checkpoints.test_upstream_doubles import Feed, up_to_1, up_to_255

CHALLENGE = {"norm": "response", "bias": False, "skip": "image", "first_pooling": 4}
NAMES = ("bytedance/RLFN", "xiaom233/BSRN", "sunny2109/SAFMN", "sunny2109/SAFMN, NTIRE 2023")
"""The names of the codes, which no note follows: each file shows all that its code can vary."""
SMALL_BSRN = {
    "pointwise_bias": True,
    "spatial_attention": "strided_plain",
    "channel_attention": "weights",
}
CASES: list = [
    (lambda: rlfn(8, 8, 2, 4), up_to_255, "rlfn", {"n_feats": 8, "n_blocks": 2}, 4),
    (lambda: rlfn(8, 12, 2, 2), up_to_255, "rlfn", {"n_feats": 8, "inner_feats": 12, "n_blocks": 2}, 2),
    *((lambda s=s: bsrn(16, 2, s), up_to_1, "bsrn", {"n_feats": 16, "n_blocks": 2}, s) for s in (2, 3)),
    (lambda: bsrn_s(16, 2, 4), up_to_1, "bsrn", {"n_feats": 16, "n_blocks": 2, **SMALL_BSRN}, 4),
    *((lambda s=s: safmn(8, 2, s), up_to_1, "safmn", {"n_feats": 8, "n_blocks": 2}, s) for s in (3, 4)),
    (lambda: safmn(8, 2, 2, challenge=True), up_to_1, "safmn", {"n_feats": 8, "n_blocks": 2, **CHALLENGE}, 2),
]  # fmt: skip


def loaded(
    folder: Path, state: object, family: str, knobs: dict, scale: int
) -> tuple[nn.Module, Loaded]:
    torch.save(state, folder / "w.pth")
    network = architecture(family, knobs).network(scale)
    return network.eval(), load_weights(network, folder / "w.pth")


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
    state = {f"module.{name}": tensor for name, tensor in sorted(theirs.state_dict().items())}
    ours, how = loaded(tmp_path, {"params_ema": state}, family, knobs, scale)
    assert how.verified
    assert str(how).partition("matched by the names of ")[2] in NAMES
    image = torch.rand((1, 3, 37, 53), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted, got = feed(theirs, image), ours(image)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert FAMILIES[family].upstream_range == (1 if feed is up_to_1 else 255)


def test_a_wrong_knob_of_safmn_is_not_called_verified(tmp_path: Path) -> None:
    """The tensors do not show the skip and the pooling, so only the right ones count as matched by name."""
    state = safmn(36, 8, 4, challenge=True).state_dict()
    how = loaded(tmp_path, state, "safmn", {**CHALLENGE, "first_pooling": 2}, 4)[1]
    assert not how.verified
    assert (
        "in the file are those of safmn first_pooling=4 bias=False norm=response skip=image; the file does not show "
        "whether first_pooling=2 and skip=image and" in str(how)
    )


@pytest.mark.parametrize(
    ("upstream", "family", "label"),
    [
        (lambda: rlfn(48, 48, 6, 4), "rlfn", "rlfn n_feats=48"),
        (
            lambda: bsrn_s(48, 5, 4),
            "bsrn",
            "bsrn n_feats=48 n_blocks=5 pointwise_bias=True spatial_attention=strided_plain channel_attention=weights",
        ),
    ],
)
def test_a_file_of_another_published_network_names_its_knobs(
    upstream: Callable[[], nn.Module], family: str, label: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, upstream().state_dict(), family, {}, 4)
    assert str(caught.value).endswith(f"; the names and shapes in the file are those of {label}")


def test_a_file_for_another_scale_names_that_scale(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, rlfn(48, 48, 6, 2).state_dict(), "rlfn", {"n_feats": 48}, 4)
    assert str(caught.value).endswith(
        "; the names and shapes in the file are those of rlfn n_feats=48 at x2"
    )
