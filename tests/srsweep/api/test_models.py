"""What `srsweep.load` loads and refuses, and what `upscale` takes and returns."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import srsweep
from searchspace.architecture import architecture
from searchspace.cost import costs
from srsweep.api.models import Model
from sweeps.measure.evaluate import enlarge
from tests.srsweep.api.conftest import EXPORTED

PIXELS = np.random.default_rng(1).integers(0, 256, (9, 14, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> Model:
    """A network that nobody trained, because these tests look at the kinds of images alone."""
    known = architecture("slwsr", {"n_feats": 2, "n_blocks": 2, "local_blocks": 2})
    torch.manual_seed(0)
    return Model(
        name="tiny",
        scale=2,
        network=known.network(2).eval(),
        device=torch.device("cpu"),
        architecture=known,
    )


def test_importing_the_package_imports_no_other_package() -> None:
    script = (
        "import sys; before = set(sys.modules); import srsweep; dir(srsweep)\n"
        "names = {name.partition('.')[0] for name in sys.modules.keys() - before}\n"
        "print(sorted(names - {'srsweep', *sys.stdlib_module_names}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert ran.stdout == "[]\n"


def test_every_name_of_the_api_can_be_imported_and_no_other() -> None:
    for name in srsweep.__all__:
        assert getattr(srsweep, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'srsweep' has no attribute 'lod'"):
        srsweep.lod  # type: ignore[attr-defined]  # noqa: B018


def test_an_image_leaves_as_the_kind_as_which_it_came(model: Model) -> None:
    color = model.upscale(PIXELS)
    assert (color.shape, color.dtype) == ((18, 28, 3), np.uint8)
    assert (color == enlarge(model.network, PIXELS, device="cpu")).all()
    picture = model.upscale(Image.fromarray(PIXELS))
    assert picture.mode == "RGB"
    assert (np.asarray(picture) == color).all()
    gray = model.upscale(PIXELS[..., 0])
    assert (gray.shape, gray.dtype) == ((18, 28), np.uint8)
    small = model.upscale(Image.fromarray(PIXELS[..., 0]))
    assert small.mode == "L"
    assert (np.asarray(small) == gray).all()


def test_a_gray_image_is_the_luma_of_what_three_equal_channels_give(model: Model) -> None:
    equal = np.repeat(PIXELS[..., :1], 3, 2)
    expected = Image.fromarray(model.upscale(equal)).convert("L")
    assert (model.upscale(PIXELS[..., 0]) == np.asarray(expected)).all()


def test_a_picture_keeps_its_colour_profile(model: Model) -> None:
    picture = Image.fromarray(PIXELS)
    picture.info["icc_profile"] = b"profile"
    large = model.upscale(picture)
    assert large.info == {"icc_profile": b"profile"}
    assert large.info is not picture.info


def test_a_view_that_is_not_contiguous_is_enlarged_like_its_copy(model: Model) -> None:
    view = PIXELS[::2, ::-1]
    assert (model.upscale(view) == model.upscale(view.copy())).all()


def test_tiles_and_the_self_ensemble_change_the_way_and_not_the_size(model: Model) -> None:
    whole = model.upscale(PIXELS)
    tiled = model.upscale(PIXELS, tile=4)
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    averaged = model.upscale(PIXELS, self_ensemble=True)
    assert averaged.shape == whole.shape
    assert (averaged != whole).any()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: Image.new("RGBA", (4, 4)), "must have mode RGB or L, got RGBA; image.convert"),
        (lambda: PIXELS / 255, "must be uint8 with values from 0 to 255, got float64"),
        (lambda: PIXELS[..., :2], r"must have shape \(H, W, 3\) or \(H, W\), got \(9, 14, 2\)"),
        (lambda: PIXELS[:0], "must have shape"),
        (lambda: "small.png", "must be a PIL image or a NumPy array, got str; PIL.Image.open"),
    ],
)
def test_an_image_of_another_kind_is_refused(
    model: Model, image: Callable[[], Any], words: str
) -> None:
    with pytest.raises(srsweep.UserError, match=words):
        model.upscale(image())


def test_an_output_that_is_not_finite_is_refused() -> None:
    broken = torch.nn.Upsample(scale_factor=2)
    broken.register_forward_hook(lambda module, given, output: output / 0)
    made = Model(name="b", scale=2, network=broken, device=torch.device("cpu"), architecture=None)
    with pytest.raises(srsweep.UserError, match="output is not finite"):
        made.upscale(PIXELS * 0)


def test_trial_folder_and_checkpoint_give_the_same_network(used: Path) -> None:
    trial = srsweep.load("first#11")
    assert (trial.name, trial.scale, trial.family) == ("first#11", 2, "slwsr")
    assert trial.costs == costs(architecture("slwsr", trial.spec.model_dump()), 2)
    assert repr(trial) == f"<srsweep.Model first#11 x2 on {trial.device}>"
    folder, file = srsweep.load(used / "best"), srsweep.load("best/attempt-1.pt")
    given = srsweep.load("first#11", weights="best/attempt-1.pt")
    for other in (folder, file, given):
        assert other.architecture == trial.architecture
        assert (other.upscale(PIXELS) == folder.upscale(PIXELS)).all()


def test_a_network_is_named_by_its_family_and_knobs(used: Path) -> None:
    label = srsweep.load("best").name
    assert label.startswith("slwsr n_feats=")
    again = srsweep.load(label, weights="best/attempt-1.pt", scale=2)
    assert (again.upscale(PIXELS) == srsweep.load("best").upscale(PIXELS)).all()


def test_an_exported_file_enlarges_and_states_its_network(used: Path) -> None:
    exported = srsweep.load(EXPORTED)
    assert (exported.scale, exported.family, exported.name) == (4, "slwsr", EXPORTED)
    assert exported.spec.n_feats == 8  # type: ignore[attr-defined]
    assert (exported.upscale(PIXELS) == PIXELS.repeat(4, 0).repeat(4, 1)).all()
    with pytest.raises(srsweep.UserError, match="images of at least 4x4 pixels, got 14x3"):
        exported.upscale(PIXELS[:3])
    with pytest.raises(srsweep.UserError, match="device: must be auto or cpu"):
        srsweep.load(EXPORTED, device="cuda")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "there is no model card slwsr-d0af09ba_x4-onnx.json beside it"),
        ("{", "its model card .* is not valid JSON"),
        ({"sha256": "0"}, "its model card .* describes another file"),
        ({"family": "none"}, "states a network that this srsweep does not know"),
        ({"knobs": {"n_feets": 3}}, "states a network that this srsweep does not know"),
    ],
)
def test_an_exported_file_without_its_card_still_enlarges(
    used: Path, change: Any, words: str
) -> None:
    card = used / "out/slwsr-d0af09ba_x4-onnx.json"
    if change is None:
        card.unlink()
    elif isinstance(change, str):
        card.write_text(change)
    else:
        card.write_text(json.dumps(json.loads(card.read_text()) | change))
    exported = srsweep.load(EXPORTED)
    assert exported.upscale(PIXELS).shape == (36, 56, 3)
    for name in ("spec", "costs", "family"):
        with pytest.raises(srsweep.UserError, match=words):
            getattr(exported, name)


def test_a_file_of_a_largest_size_says_which_tiles_it_takes(used: Path) -> None:
    card = used / "out/slwsr-d0af09ba_x4-onnx.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"largest_input": 80}))
    exported = srsweep.load(EXPORTED)
    wide = PIXELS.repeat(8, 1)
    with pytest.raises(
        srsweep.UserError, match="at most 80x80 pixels at once, got 112x9; .*tile=16"
    ):
        exported.upscale(wide)
    assert (exported.upscale(wide, tile=16) == wide.repeat(4, 0).repeat(4, 1)).all()


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("first#99", {}, "sweep 'first' has no trial 99"),
        ("none#1", {}, "there is none called 'none'"),
        ("best.onnx", {}, "best.onnx: there is no such file"),
        ("images", {}, "must be an output folder of `srsweep train`, but it has no variant.json"),
        ("frist", {}, r"must be a network \(FAMILY KNOB=VALUE...\), a trial"),
        ("imdn", {}, "--weights: must name a checkpoint"),
        ("imdn n_feets=3", {}, "imdn.n_feets: no such key"),
        ("first#11", {"scale": 4}, "--scale: must be the scale of first#11, 2, got 4"),
        ("best/attempt-1.pt", {"scale": 4}, "must be loaded without weights and scale"),
        ("images/0.png", {}, "images/0.png"),
        ("first#11", {"db": "sqlite:///none.db"}, "there is no database none.db"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(
    used: Path, source: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(srsweep.UserError, match=words) as caught:
        srsweep.load(source, **options)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_no_runtime_takes_is_named(used: Path) -> None:
    (used / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(srsweep.UserError, match="^broken.onnx: cannot be run as ONNX"):
        srsweep.load("broken.onnx")


def test_a_missing_package_is_named_with_its_extra(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(srsweep.UserError, match="onnxruntime is not installed; `pip install 'srs"):
        srsweep.load(EXPORTED)


def test_a_network_has_the_knobs_and_the_scale_that_are_given() -> None:
    built = srsweep.network("imdn", n_feats=16, scale=3)
    assert sum(each.numel() for each in built.parameters()) == int(
        costs(architecture("imdn", {"n_feats": 16}), 3)["params_train"]
    )
    with pytest.raises(srsweep.UserError, match="imdn.n_feets: no such key"):
        srsweep.network("imdn", n_feets=16)
    with pytest.raises(srsweep.UserError, match="scale: imdn is built for"):
        srsweep.network("imdn", scale=5)
