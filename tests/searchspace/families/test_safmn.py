from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from searchspace.architecture import architecture
from searchspace.families.safmn import CHALLENGE, Safmn, Shrink


def test_the_challenge_form_has_the_parameters_of_the_authors_checkpoint(shared: Path) -> None:
    file = torch.load(shared / "weights/SAFMN_x4.pth", map_location="cpu", weights_only=True)
    ours = Safmn(CHALLENGE, 4).state_dict()
    assert sorted(t.shape for t in ours.values()) == sorted(
        t.shape for t in file["params"].values()
    )


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_shrinking_for_an_export_equals_shrinking_for_training(
    factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All sides from 1 to 40: those that the factor divides, those that it does not, and those below it."""
    shrink = Shrink(factor)
    x = torch.rand(1, 2, 40, 40, generator=torch.Generator().manual_seed(0))
    images = [x[:, :, :side, : 41 - side] for side in range(1, 41)]
    wanted = [
        F.adaptive_max_pool2d(i, [max(1, side // factor) for side in i.shape[2:]]) for i in images
    ]
    plain = [shrink(image) for image in images]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    exported = [shrink(image) for image in images]
    for one, other, right in zip(plain, exported, wanted, strict=True):
        assert torch.equal(one, right)
        assert torch.equal(other, right)


def test_one_level_needs_no_pooling() -> None:
    one = architecture("safmn", {"n_levels": 1})
    assert architecture("safmn", {"n_levels": 1, "first_pooling": 4}) == one
    assert architecture("safmn", {"first_pooling": 4}) != architecture("safmn", {})


def test_a_new_response_norm_returns_its_input() -> None:
    norm = Safmn(CHALLENGE, 2).norm
    x = torch.rand(1, 36, 3, 4)
    assert torch.equal(norm(x), x)


@pytest.mark.parametrize(
    ("knobs", "fault"),
    [
        ({"n_feats": 30}, "n_levels must divide n_feats"),
        ({"n_feats": 4, "expand_ratio": 0.1}, "must leave a channel"),
    ],
)
def test_what_cannot_be_built_is_rejected(knobs: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        architecture("safmn", knobs)
