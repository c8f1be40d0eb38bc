"""What commands say about weights: whose they are, what matched them, and when they are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sweeps.checkpoints.state import checkpoint_path
from tests.srsweep.calls import mistake, succeed
from tests.sweeps.checkpoints.doubles.others import fsrcnn, idn

pytestmark = pytest.mark.usefixtures("still_machine")

FSRCNN = ("n_feats=4", "n_shrunk=2", "n_blocks=1")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set to train on and a test set."""
    root = tmp_path_factory.mktemp("images")
    for name, numbers in (("noise", range(22)), ("Set5/HR", range(22, 24))):
        (root / name).mkdir(parents=True)
        for number in numbers:
            pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that `srsweep train` wrote for x2."""
    folder = tmp_path_factory.mktemp("trained")
    settings = ("evaluate_every=2", "patch_size=8", "batch_size=2", "device=cpu")
    words = [word for setting in settings for word in ("--set", setting)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        data = ("--data", "noise", "--root", images, "--steps", 2)
        succeed("train", "fsrcnn", *FSRCNN, "--scale", 2, *data, *words, "-o", folder / "x2")
    return checkpoint_path(folder / "x2", 1)


@pytest.fixture
def evaluate(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """A call of `srsweep evaluate` on the test set."""
    monkeypatch.chdir(tmp_path)

    def call(command: Callable, family: str, *words: object) -> object:
        return command("evaluate", family, *words, "--root", images, "--sets", "Set5", "--json")

    return call


def test_a_checkpoint_of_ours_is_refused_for_another_scale(
    evaluate: Callable, trained: Path
) -> None:
    """The tensors of FSRCNN fit every scale, but the file states x2."""
    said = evaluate(mistake, "fsrcnn", *FSRCNN, "--weights", trained, "--scale", 4)
    network = "fsrcnn n_feats=4 n_shrunk=2 n_blocks=1"
    assert f"attempt-1.pt: holds weights of {network} at x2, not of {network} at x4" in said


@pytest.mark.parametrize(
    ("family", "knobs", "named"),
    [
        (
            "fsrcnn",
            (*FSRCNN, "colours=1"),
            "fsrcnn n_feats=4 n_shrunk=2 n_blocks=1 colours=1 at x2",
        ),
        ("imdn", (), "imdn at x2"),
    ],
)
def test_a_checkpoint_of_ours_is_refused_for_another_network(
    evaluate: Callable, trained: Path, family: str, knobs: tuple[str, ...], named: str
) -> None:
    """The message names both networks."""
    said = evaluate(mistake, family, *knobs, "--weights", trained, "--scale", 2)
    assert f"fsrcnn n_feats=4 n_shrunk=2 n_blocks=1 at x2, not of {named}" in said


def test_a_knob_without_tensors_is_checked(
    evaluate: Callable, trained: Path, tmp_path: Path
) -> None:
    """No tensor shows the factor of EDSR's residual branches."""
    state = torch.load(trained, weights_only=True)
    state["variant"] = {"family": "edsr", "knobs": {"residual_scale": 0.1}, "scale": 2}
    torch.save(state, tmp_path / "w.pt")
    said = evaluate(mistake, "edsr", "--weights", tmp_path / "w.pt", "--scale", 2)
    assert "holds weights of edsr residual_scale=0.1 at x2, not of edsr at x2" in said


def test_a_checkpoint_of_ours_is_loaded_without_a_word(evaluate: Callable, trained: Path) -> None:
    """The file states the network that the user asked for."""
    result = evaluate(succeed, "fsrcnn", *FSRCNN, "--weights", trained, "--scale", 2)
    assert "matched" not in result.stderr
    assert '"psnr_y"' in result.stdout


def test_an_older_checkpoint_of_ours_is_checked_by_its_training(
    evaluate: Callable, trained: Path, tmp_path: Path
) -> None:
    """Older files state the scale and the key of the architecture."""
    state = torch.load(trained, weights_only=True)
    del state["variant"]
    torch.save(state, tmp_path / "w.pt")
    words = ("--weights", tmp_path / "w.pt", "--scale")
    assert "holds weights for x2, not of" in evaluate(mistake, "fsrcnn", *FSRCNN, *words, 3)
    assert "of another network than fsrcnn at x2" in evaluate(mistake, "fsrcnn", *words, 2)
    evaluate(succeed, "fsrcnn", *FSRCNN, *words, 2)


@pytest.mark.slow
def test_evaluate_and_export_say_what_matched_the_weights(
    evaluate: Callable, images: Path, tmp_path: Path
) -> None:
    """The commands print one line on stderr. If only the order decided, the model card says so too."""
    torch.save(fsrcnn(2).state_dict(), tmp_path / "fsrcnn.pth")
    known = ("colours=1", "--weights", tmp_path / "fsrcnn.pth", "--scale", 2)
    line, _ = evaluate(succeed, "fsrcnn", *known).stderr.splitlines()  # the other: the images
    assert line.startswith("fsrcnn.pth: weights matched by the names of yjn870/FSRCNN-pytorch; the")
    torch.save(idn(16, 2).state_dict(), tmp_path / "idn.pth")
    unknown = ("n_feats=16", "--weights", tmp_path / "idn.pth", "--scale", 2)
    line, _ = evaluate(succeed, "idn", *unknown).stderr.splitlines()
    assert line.startswith("idn.pth: weights matched by order, not verified; ")
    data = ("--data", "noise", "--root", images, "--to", "torch")
    result = succeed("export", "idn", *unknown, *data, "-o", tmp_path / "out")
    assert "matched by order, not verified" in result.stderr
    (card,) = (tmp_path / "out").glob("*.md")
    assert "idn.pth (matched by order, not verified)" in card.read_text()
