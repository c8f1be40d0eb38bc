"""A training may start from weights of the network at the same or another scale, and says which tensors it copied."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from searchspace.architecture import architecture
from searchspace.errors import UserError
from sweeps.checkpoints.state import write_state
from sweeps.checkpoints.warm_start import check_readable, warm_start

EDSR = {"n_feats": 4, "n_blocks": 1}


def built(scale: int, seed: int, family: str = "edsr", **knobs: Any) -> nn.Module:
    torch.manual_seed(seed)
    return architecture(family, EDSR | knobs).network(scale)


def stored(path: Path, scale: int, *, stated: bool, **knobs: Any) -> nn.Module:
    """A network whose weights are in `path`, with or without what srsweep states about them."""
    network = built(scale, 1, **knobs)
    if not stated:
        torch.save(network.state_dict(), path)
        return network
    variant = {"family": "edsr", "knobs": EDSR | knobs, "scale": scale}
    state = {"network": network.state_dict(), "step": 2, "history": [], "variant": variant}
    write_state(state, path)
    return network


@pytest.mark.parametrize("stated", [True, False], ids=["srsweep's", "a public code's"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_at_x2_start_each_scale(tmp_path: Path, scale: int, stated: bool) -> None:
    path = tmp_path / "weights.pt"
    source = stored(path, 2, stated=stated).state_dict()
    network, before = built(scale, 2), built(scale, 2).state_dict()
    started = warm_start(network, path)
    own = network.state_dict()
    assert {*started.taken} | {*started.fresh} == own.keys()
    assert all(torch.equal(own[name], source[name]) for name in started.taken)
    assert all(torch.equal(own[name], before[name]) for name in started.fresh)
    assert bool(started.fresh) == (scale != 2)
    body = [name for name in own if name in source and own[name].shape == source[name].shape]
    assert list(started.taken) == body
    count = f"{len(started.taken)} of {len(own)} tensors taken over"
    assert f"starts from edsr n_feats=4 n_blocks=1 at x2 ({path.name}" in str(started)
    assert count in str(started)
    assert ("; new: " in str(started)) == (scale != 2)


@pytest.mark.parametrize("stated", [True, False], ids=["srsweep's", "a public code's"])
def test_weights_of_a_wider_network_are_refused_in_one_line(tmp_path: Path, stated: bool) -> None:
    path = tmp_path / "weights.pt"
    stored(path, 2, stated=stated, n_feats=8)
    network, before = built(4, 2), built(4, 2).state_dict()
    with pytest.raises(UserError) as refused:
        warm_start(network, path)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    if stated:
        assert "holds weights of edsr n_feats=8 n_blocks=1 at x2, which do not fit" in line
        assert "must be 4x3x3x3, but in the file it is 8x3x3x3" in line
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@pytest.mark.parametrize("kind", ["plain", "repvgg", "ecb", "rrrb"])
@pytest.mark.parametrize("stored_kind", ["plain", "ecb", "rrrb"])
def test_each_kind_of_block_starts_with_the_kernels_of_each_other(
    tmp_path: Path, stored_kind: str, kind: str
) -> None:
    path = tmp_path / "weights.pt"
    source = stored(path, 2, stated=True, block=stored_kind).eval()
    network = built(2, 2, block=kind).eval()
    image = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, before = source(image), network(image)
        started = warm_start(network, path)
        assert not torch.allclose(before, wanted, atol=1e-2)
        torch.testing.assert_close(network(image), wanted, rtol=1e-4, atol=1e-4)
    assert ("convolutions are of another kind in the file" in str(started)) == (kind != stored_kind)
    assert "not used" not in str(started)


def test_a_block_with_an_identity_starts_as_one_without(tmp_path: Path) -> None:
    """Their tensors have the same names and shapes, and give different kernels."""
    path, knobs = tmp_path / "w.pt", {"n_feats": 4, "n_blocks": 2, "colours": 3}
    made = [architecture("ecbsr", knobs | {"block": b}).network(2) for b in ("ecb", "ecb_identity")]
    variant = {"family": "ecbsr", "knobs": knobs, "scale": 2}
    state = {"network": made[0].state_dict(), "step": 2, "history": [], "variant": variant}
    write_state(state, path)
    warm_start(made[1], path)
    with torch.no_grad():
        image = torch.rand(1, 3, 6, 5)
        torch.testing.assert_close(made[1](image), made[0](image), rtol=1e-4, atol=1e-4)


def test_tensors_of_the_file_without_a_place_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    stored(path, 2, stated=True, n_blocks=2)
    said = str(warm_start(built(2, 2), path))
    assert said.endswith(
        "; not used: blocks.1.body.0.weight, blocks.1.body.0.bias, blocks.1.body.2.weight and 1 more of the file"
    )
    assert "not used" not in str(warm_start(built(4, 2, n_blocks=2), path))


def test_a_warm_start_leaves_the_random_numbers_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    stored(path, 2, stated=True)
    network = built(2, 2)
    state = torch.get_rng_state()
    warm_start(network, path)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_file_that_is_no_checkpoint_names_the_key(tmp_path: Path) -> None:
    check_readable("train.warm_start", None)
    (tmp_path / "x.pt").write_bytes(b"nothing")
    for name, told in (("missing.pt", "no such file"), ("x.pt", "cannot be read|must hold only")):
        with pytest.raises(UserError, match=rf"train\.warm_start: .*{name}: .*({told})"):
            check_readable("train.warm_start", str(tmp_path / name))


def test_a_network_that_srsweep_does_not_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    variant = {"family": "unheard_of", "knobs": {}, "scale": 2}
    state = {"network": built(2, 1).state_dict(), "step": 2, "history": [], "variant": variant}
    write_state(state, path)
    with pytest.raises(UserError, match="states a network that this srsweep does not know"):
        warm_start(built(2, 2), path)
