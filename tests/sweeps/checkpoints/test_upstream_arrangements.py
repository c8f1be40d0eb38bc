"""Tests weights that are arranged differently from the network: which are accepted, which refused, and how."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from sweeps.checkpoints.upstream_weights import load_weights
from tests.sweeps.checkpoints.doubles.others import fsrcnn
from tests.sweeps.checkpoints.doubles.parts import MEAN, Apply, chain, conv, keeping_shifts
from tests.sweeps.checkpoints.doubles.residual import carn, edsr, wdsr
from tests.sweeps.checkpoints.test_upstream_doubles import image, loaded, up_to_1, up_to_255


def small_edsr() -> nn.Module:
    return keeping_shifts(edsr(8, 2, 2))


EDSR = {"n_feats": 8, "n_blocks": 2, "residual_scale": 0.1}


def rearranged(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The same weights as other codes and tools save them."""
    shifts = {name: t for name, t in state.items() if "_mean" in name}
    rest = {name: t for name, t in state.items() if name not in shifts}
    biases_first = sorted(
        state, key=lambda name: list(state).index(name) - name.endswith("bias") * 1.5
    )
    return {
        "mean shift last": rest | dict(reversed(shifts.items())),
        "no mean shift, as BasicSR": rest,
        "biases before weights": {name: state[name] for name in biases_first},
        "foreign names": {f"p{i}.{name[-4:]}": t for i, (name, t) in enumerate(state.items())},
    }


@pytest.mark.parametrize("how", rearranged({"a.weight": MEAN, "a.bias": MEAN}))
def test_arrangements_of_the_same_weights_give_the_same_output(tmp_path: Path, how: str) -> None:
    theirs = small_edsr()
    state = rearranged(theirs.state_dict())[how]
    with torch.no_grad():
        got = loaded(tmp_path, state, "edsr", EDSR, 2)(image())
        wanted = up_to_255(theirs, image())
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_plain_weights_fill_a_weight_normalised_network(tmp_path: Path) -> None:
    theirs = architecture("wdsr", {"n_feats": 8, "n_blocks": 2, "weight_norm": False}).network(2)
    ours = loaded(tmp_path, theirs.state_dict(), "wdsr", {"n_feats": 8, "n_blocks": 2}, 2)
    with torch.no_grad():
        torch.testing.assert_close(ours(image()), theirs(image()), rtol=1e-4, atol=1e-5)


def test_statistics_of_batch_norm_are_no_mean_colour(tmp_path: Path) -> None:
    theirs = architecture("memnet", {"n_feats": 3, "n_blocks": 1}).network(2)
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_()
    state = {f"net.{name}": t for name, t in theirs.state_dict().items()}
    ours = loaded(tmp_path, state, "memnet", {"n_feats": 3, "n_blocks": 1}, 2)
    with torch.no_grad():
        assert torch.equal(ours(image()), theirs.eval()(image()))


def test_a_stored_mean_must_be_the_one_that_is_used(tmp_path: Path) -> None:
    theirs = keeping_shifts(wdsr(8, 1, 2, "a"))
    knobs = {"n_feats": 8, "n_blocks": 1}
    for largest in (1, 255):
        state = {"rgb_mean": largest * MEAN.view(1, 3, 1, 1)} | theirs.state_dict()
        loaded(tmp_path, state, "wdsr", knobs, 2)
    with pytest.raises(ValueError, match=r"rgb_mean must be the mean of DIV2K"):
        loaded(
            tmp_path, {"rgb_mean": torch.full((3,), 0.5)} | theirs.state_dict(), "wdsr", knobs, 2
        )


def test_a_mean_shift_of_another_range_is_refused(tmp_path: Path) -> None:
    state = small_edsr().state_dict()
    for name in ("sub_mean.bias", "add_mean.bias"):
        state[name] = state[name] / 255
    with pytest.raises(ValueError, match="its mean shift is 0.4488 .*: one takes colours up to 1"):
        loaded(tmp_path, state, "edsr", EDSR, 2)


def test_several_scales_without_the_one_wanted_are_refused(tmp_path: Path) -> None:
    state = carn(8, 4, several=True).state_dict()
    state = {name: t for name, t in state.items() if ".up3." not in name}
    with pytest.raises(ValueError, match="must fit the network"):
        loaded(tmp_path, state, "carn", {"n_feats": 8}, 3)


def test_mdsr_is_no_edsr(tmp_path: Path) -> None:
    state = small_edsr().state_dict()
    before = {f"pre_process.0.0.body.{i}.weight": torch.zeros(8, 8, 5, 5) for i in (0, 2)}
    with pytest.raises(
        ValueError, match=r"pre_process\.0\.0\.body\.0\.weight 8x8x5x5 in the file but"
    ):
        loaded(tmp_path, before | state, "edsr", EDSR, 2)


@pytest.mark.parametrize(
    ("upstream", "family", "hint"),
    [
        (lambda: fsrcnn(2), "fsrcnn", "colours=1"),
        (lambda: Apply(up_to_1, a=conv(3, 1, 64), b=conv(3, 64, 64)), "vdsr", "a knob `bias`"),
    ],
)
def test_the_error_says_which_knob_may_be_meant(
    tmp_path: Path, upstream: Callable[[], nn.Module], family: str, hint: str
) -> None:
    with pytest.raises(ValueError, match=hint) as caught:
        loaded(tmp_path, upstream().state_dict(), family, {}, 2)
    assert "\n" not in str(caught.value)


def test_a_pickled_module_gives_its_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 50, "model": chain([conv(3, 1, 64)])}, tmp_path / "model_epoch_50.pth")
    with pytest.raises(
        ValueError, match=r"tensor 2 is 0\.bias 64 in the file but network\.layers\.2\.weight"
    ):
        load_weights(architecture("vdsr", {}).network(2), tmp_path / "model_epoch_50.pth")
