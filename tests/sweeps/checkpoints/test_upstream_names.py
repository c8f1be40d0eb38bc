"""Names decide which layer a tensor of a public implementation belongs to. If they cannot, the user is told."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from searchspace.architecture import architecture
from searchspace.cost.counting.subject import Unfilled
from searchspace.discover import FAMILIES
from searchspace.layers import ColourShift, deployed
from searchspace.strategies.colours import rgb_to_ycbcr
from sweeps.checkpoints.tensor_order import units_of
from sweeps.checkpoints.upstream_weights import Loaded, load_weights
from tests.sweeps.checkpoints.doubles.others import drrn, fsrcnn, idn, idn_of_yjn870, imdn, vdsr
from tests.sweeps.checkpoints.doubles.parts import keeping_shifts
from tests.sweeps.checkpoints.doubles.residual import awsrn, edsr
from tests.sweeps.checkpoints.test_upstream_doubles import CASES, Feed, image, on_luma


def load(
    folder: Path, state: dict[str, Tensor], family: str, knobs: dict, scale: int
) -> tuple[nn.Module, Loaded]:
    torch.save(state, folder / "w.pth")
    network = architecture(family, knobs).network(scale)
    return network, load_weights(network, folder / "w.pth")


def luma(network: nn.Module, rgb: Tensor) -> Tensor:
    with torch.no_grad():
        return rgb_to_ycbcr(network.eval()(rgb))[:, :1]


def test_vdsr_loads_although_its_inner_layers_come_first(tmp_path: Path) -> None:
    """In the file, residual_layer.0.conv.weight comes first, and the input and output layers come last."""
    theirs = keeping_shifts(vdsr(2))
    state = theirs.state_dict()
    assert [next(iter(state)), *list(state)[-2:]] == [
        "residual_layer.0.conv.weight",
        "input.weight",
        "output.weight",
    ]
    ours, loaded = load(tmp_path, state, "vdsr", {}, 2)
    with torch.no_grad():
        wanted = on_luma(theirs, image())
    torch.testing.assert_close(luma(ours, image()), wanted, rtol=1e-4, atol=1e-5)
    assert loaded.verified
    assert "matched by the names of twtygqyy/pytorch-vdsr;" in str(loaded)


@pytest.mark.parametrize(
    ("upstream", "feed", "family", "knobs", "scale", "sort"),
    [
        # Every third is quick, so that both orders are.
        pytest.param(*case, (sorted, reversed)[n % 2], marks=[pytest.mark.slow] * (n % 3 > 0))
        for n, case in enumerate([case for case in CASES if case[2] != "idn"][::2])
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", None),
)
def test_the_order_of_the_file_does_not_matter_where_names_are_known(
    tmp_path: Path,
    upstream: Callable[[], nn.Module],
    feed: Feed,
    family: str,
    knobs: dict,
    scale: int,
    sort: Callable,
) -> None:
    """srsweep recognises the layout by its names, whatever the order of registration."""
    state = keeping_shifts(upstream()).state_dict()
    ours, loaded = load(tmp_path, state, family, knobs, scale)
    same, again = load(tmp_path, {n: state[n] for n in sort(list(state))}, family, knobs, scale)
    assert loaded.verified
    assert str(loaded) == str(again)
    codes = [code.name for code in FAMILIES[family].codes]
    assert loaded.how in [f"by the names of {code}" for code in codes]
    pairs = zip(ours.state_dict().values(), same.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_drrn_computes_what_its_code_computes_once_its_weights_are_loaded(tmp_path: Path) -> None:
    """The authors' ReLU works in place, so its skips add relu(features). The paper's skips add the features."""
    theirs = keeping_shifts(drrn(2))
    ours, loaded = load(tmp_path, theirs.state_dict(), "drrn", {}, 2)
    with torch.no_grad():
        wanted = on_luma(theirs, image())
    torch.testing.assert_close(luma(ours, image()), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(luma(deployed(ours), image()), wanted, rtol=1e-4, atol=1e-5)
    assert "adds relu(features) in its skips" in str(loaded)
    paper = architecture("drrn", {}).network(2)
    paper.load_state_dict(ours.state_dict())
    assert (luma(paper, image()) - wanted).abs().max() > 1e-2


def test_names_of_no_known_code_are_said_to_be_not_verified(tmp_path: Path) -> None:
    """Weights that are assigned by order alone are loaded with a warning."""
    state = idn(16, 3).state_dict()
    loaded = load(tmp_path, state, "idn", {"n_feats": 16}, 3)[1]
    assert not loaded.verified
    assert "matched by order, not verified" in str(loaded)
    assert "\n" not in str(loaded)
    foreign = {
        f"p{i}.{name[-4:]}": t for i, (name, t) in enumerate(edsr(8, 2, 2).state_dict().items())
    }
    assert not load(tmp_path, foreign, "edsr", {"n_feats": 8, "n_blocks": 2}, 2)[1].verified
    shifted = {
        f"x.{n}" if "_mean" not in n else n: t for n, t in edsr(8, 2, 2).state_dict().items()
    }
    said = str(load(tmp_path, shifted, "edsr", {"n_feats": 8, "n_blocks": 2}, 2)[1])
    assert "by order, not verified, and the mean shift by name" in said


def test_a_code_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """The tensors of yjn870/IDN-pytorch fit by order, but that network computes another function."""
    knobs = {"n_feats": 16, "upsampler": "deconv17"}
    state = idn_of_yjn870(16, 2).state_dict()
    network = architecture("idn", knobs).network(2)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(
        ValueError, match="those of yjn870/IDN-pytorch, which computes another"
    ) as e:
        load_weights(network, tmp_path / "w.pth")
    assert "\n" not in str(e.value)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    unnamed = {f"p{i}.{name[-4:]}": t for i, (name, t) in enumerate(state.items())}
    assert "not verified" in str(load(tmp_path, unnamed, "idn", knobs, 2)[1])


def test_two_versions_of_a_file_that_names_cannot_tell_apart_are_mentioned(tmp_path: Path) -> None:
    """The two versions of awsrnv2.py add different tensors to the output of a block."""
    knobs = {"n_feats": 4, "inner_feats": 8, "n_blocks": 1}
    state = awsrn(4, 8, 1, 4, 2, listed=True).state_dict()
    assert "do not tell the versions apart" in str(load(tmp_path, state, "awsrn", knobs, 2)[1])


@pytest.mark.parametrize("prefix", ["model.", "generator.", "module.model.", "net.module."])
def test_parts_that_all_names_share_are_passed_over(tmp_path: Path, prefix: str) -> None:
    state = {f"{prefix}{name}": t for name, t in imdn(16, 2).state_dict().items()}
    assert load(tmp_path, state, "imdn", {"n_feats": 16}, 2)[1].verified


def test_known_names_of_other_shapes_are_refused_by_name(tmp_path: Path) -> None:
    state = dict(imdn(16, 2).state_dict())
    with pytest.raises(
        ValueError, match="names are those of Zheng222/IMDN, but tensor 1"
    ) as caught:
        load(tmp_path, state, "imdn", {"n_feats": 8}, 2)
    assert "\n" not in str(caught.value)


def test_weights_that_fit_every_scale_are_said_to_be_unchecked(tmp_path: Path) -> None:
    """The tensors of FSRCNN have the same shapes at every scale. IMDN's do not."""
    said = str(load(tmp_path, fsrcnn(2).state_dict(), "fsrcnn", {"colours": 1}, 4)[1])
    assert "do not depend on the scale" in said
    assert "they also fit x2 and x3, so the file does not show that it is for x4" in said
    said = str(load(tmp_path, imdn(16, 2).state_dict(), "imdn", {"n_feats": 16}, 2)[1])
    assert said == "w.pth: weights matched by the names of Zheng222/IMDN"


def test_knobs_that_no_tensor_shows_are_named(tmp_path: Path) -> None:
    """Two networks with the same tensors compute different functions. The published network has the default knobs."""
    state = imdn(16, 2).state_dict()
    unlike = {"n_feats": 16, "block_attention": "channel"}
    said = str(load(tmp_path, state, "imdn", unlike, 2)[1])
    assert said.endswith("; the file does not show whether block_attention=channel is right")
    said = str(load(tmp_path, drrn(2).state_dict(), "drrn", {"recursions": 9}, 2)[1])
    assert said.endswith("; the file does not show whether recursions=9 is right")
    said = str(load(tmp_path, drrn(2).state_dict(), "drrn", {}, 2)[1])
    assert "recursions" not in said
    for factor in (0.1, 1.0):
        knobs = {"n_feats": 8, "n_blocks": 2, "residual_scale": factor}
        said = str(load(tmp_path, edsr(8, 2, 2).state_dict(), "edsr", knobs, 2)[1])
        assert said.endswith(
            f"-PyTorch; the file does not show whether residual_scale={factor} is right"
        )
    unnamed = {f"p{i}.{name[-4:]}": t for i, (name, t) in enumerate(state.items())}
    said = str(load(tmp_path, unnamed, "imdn", {"n_feats": 16}, 2)[1])
    assert said.endswith("; the file does not show whether block_attention=contrast is right")


def test_a_state_dict_of_ours_without_a_variant_is_matched_by_name(tmp_path: Path) -> None:
    state = architecture("imdn", {"n_feats": 16}).network(2).state_dict()
    loaded = load(tmp_path, state, "imdn", {"n_feats": 16}, 2)[1]
    said = "w.pth: weights matched by name; the file does not show whether block_attention=contrast is right"
    assert str(loaded) == said
    assert loaded.verified
    assert not loaded.own


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_code_names_every_layer_of_the_published_networks(family: str) -> None:
    """The list of names is as long as the list of layers, at every scale, and has no name twice.

    Networks that papers derived from the family, with knobs that the code does not have, are left out.
    """
    codes = FAMILIES[family].codes
    published = [one.spec for one in FAMILIES[family].published]
    added = {"attention", "residual_scaling", "upsampler", "share_source_groups"}
    plain = [spec for spec in published if not added & set(spec.changed())]
    for spec, scale in itertools.product(plain, FAMILIES[family].scales):
        with torch.device("meta"), Unfilled():
            network = FAMILIES[family].network(spec, scale)
        shifts = {f"{n}." for n, m in network.named_modules() if isinstance(m, ColourShift)}
        state = {n: t for n, t in network.state_dict().items() if not n.startswith(tuple(shifts))}
        numbers = [len(list(code.layers(spec, scale))) for code in codes if not code.refused]
        numbers = [
            number for number in numbers if number
        ]  # a code without names cannot build the spec
        for code in codes:
            names = list(code.layers(spec, scale))
            assert len(set(names)) == len(names)
        assert not numbers or len(units_of(state)) in numbers, (spec.changed(), scale)


def test_every_family_whose_source_names_code_recognises_it() -> None:
    """Only the code of IDN's authors is missing, because TensorFlow wrote its checkpoints."""
    without = []
    for name, family in FAMILIES.items():
        _, _, code = family.source.partition("; code ")
        if code and not any(code in known.name for known in family.codes):
            without.append(name)
    assert without == ["idn"]
