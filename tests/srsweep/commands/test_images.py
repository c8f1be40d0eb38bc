"""What the commands say about the images, and how they answer mistakes in them."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.srsweep.calls import invoke, mistake, succeed

SMALL = (
    "slwsr",
    "n_feats=4",
    "n_blocks=1",
    "local_blocks=1",
    "--set",
    "patch_size=4",
    "--set",
    "batch_size=1",
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with two sets of 4 images each: `A` with black low-resolution images for x4, and `C++` without."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("A", "C++"):
        for i in range(4):
            for folder, size, level in (("HR", 32, 256), ("LR", 8, 1)):
                path = tmp_path / name / folder / f"{i}.png"
                if name == "A" or folder == "HR":
                    path.parent.mkdir(parents=True, exist_ok=True)
                    pixels = rng.integers(0, level, (size, size, 3), np.uint8)
                    Image.fromarray(pixels).save(path)
    return tmp_path


def sweep_file(root: Path, **data: object) -> Path:
    sweep = {
        "name": "s",
        "scale": 4,
        "families": {"slwsr": {"n_feats": [4], "n_blocks": [1], "local_blocks": 1}},
        "search": {"sampler": "random", "trials": 1},
        "train": {"steps": 1, "patch_size": 4, "batch_size": 1},
        "data": {"root": str(root), "hold_out": 1, **data},
    }
    path = root / "sweep.yaml"
    path.write_text(yaml.safe_dump({"metadata": {"sweep": sweep}}))
    return path


def test_evaluate_says_which_low_res_is_stored(root: Path) -> None:
    """The note goes to stderr, so that tables and JSON stay clean.

    The stored images are black, so their PSNR differs from that of bicubic images.
    """
    result = succeed("evaluate", "bicubic", "--sets", "[A, C++]", "--root", root, "--json")
    assert [row["set"] for row in json.loads(result.stdout)] == ["A", "C++"]
    assert result.stderr.splitlines() == [
        f"A: 4 images in {root}/A/HR; LR: 4 stored, 0 made ({root}/A/LR)",
        f"C++: 4 images in {root}/C++/HR; LR: 0 stored, 4 made",
    ]


@pytest.mark.slow
def test_check_and_run_say_which_low_res_is_stored(root: Path) -> None:
    """Tests a sweep file with a list of sets, one of which has stored low-resolution images."""
    file = sweep_file(root, train=["A", "C++"], validation=["C++"])
    notes = (
        f"A: 4 images in {root}/A/HR; LR: 4 stored, 0 made ({root}/A/LR)",
        f"C++: 4 images in {root}/C++/HR; LR: 0 stored, 4 made",
    )
    checked = json.loads(succeed("check", file, "--json").stdout)
    assert checked["image sets"] == " | ".join(notes)
    assert checked["data"].startswith("A + C++ x4: 7 images to train on, 1 to validate on")
    lines = succeed("run", file).stdout.splitlines()
    assert set(notes) < set(lines)
    assert checked["data"] in lines


def test_check_answers_text_that_is_the_name_of_one_set(root: Path) -> None:
    """A set is missing on this machine, but the whole text is the name of a folder."""
    (root / "C++").rename(root / "C+D")
    data = json.loads(succeed("check", sweep_file(root, train="C+D"), "--json").stdout)["data"]
    assert "no image set 'C'" in data
    assert "for the one set C+D, write a list: [C+D]; the sweep needs it to run" in data


def test_train_with_few_images_and_hold_out(root: Path) -> None:
    """The set has 4 images. Once, `--set hold_out=...` was refused.

    A mistake must not leave a folder that makes the next attempt fail.
    """
    said = mistake(
        "train", *SMALL, "--steps", 1, "--data", root / "A", "--set", "hold_out=4", "-o", "x"
    )
    assert "data.hold_out: must leave images to train on, got 4 of 4" in said
    assert not (root / "x").exists()
    result = succeed("train", *SMALL, "--steps", 1, "--data", root / "A", "-o", "x")
    assert "LR: 4 stored, 0 made" in result.stderr
    assert "3 images to train on, 1 to validate on" in result.stderr
    succeed("train", *SMALL, "--steps", 1, "--data", root / "A", "--set", "hold_out=2", "-o", "y")
    assert json.loads((root / "y/variant.json").read_text())["data"]["hold_out"] == 2
    again = succeed("train", "y", "--seed", 1, "-o", "z")
    assert "2 images to train on, 2 to validate on" in again.stderr


def test_train_takes_every_setting_of_the_images(root: Path) -> None:
    """The other data settings are accepted as well."""
    result = succeed(
        "train",
        *SMALL,
        "--steps",
        1,
        "--data",
        "[A, C++]",
        "--root",
        root,
        "--set",
        "validation=A",
        "--set",
        "hold_out=3",
        "-o",
        "x",
    )
    assert "A + C++ x4: 5 images to train on, 3 to validate on" in result.stderr
    assert json.loads((root / "x/variant.json").read_text())["data"] == {
        "train": ["A", "C++"],
        "validation": "A",
        "root": str(root),
        "hold_out": 3,
    }
    assert "is given by --root too" in mistake(
        "train", *SMALL, "--root", root, "--set", "root=.", "-o", "y"
    )
    assert "--set validation: must not be a test set" in mistake(
        "train", *SMALL, "--set", "validation=Set5", "-o", "y"
    )
    assert "--data: must be a name or a list" in mistake("train", *SMALL, "--data", "[A", "-o", "y")


@pytest.mark.usefixtures("still_machine")
def test_an_export_says_which_images_it_measures_on(root: Path) -> None:
    """An export uses images only to calibrate and to measure, and still prints the note."""
    succeed("train", *SMALL, "--steps", 1, "--data", root / "A", "-o", "x")
    result = invoke("export", "x", "--to", "torch", "-o", "out")
    assert "LR: 4 stored, 0 made" in result.stderr
    assert result.stderr.count("LR: 4 stored") == 1


@pytest.mark.parametrize(
    "words", [("evaluate", "bicubic", "--sets", "A"), ("train", *SMALL, "--data", "A", "-o", "x")]
)
def test_a_mistake_in_the_images_is_one_line(root: Path, words: tuple[str, ...]) -> None:
    """Tests a missing low-resolution image and a dead link, on the command line."""
    (root / "A/LR/2.png").unlink()
    assert "A/HR/2.png: has no low-resolution image" in mistake(*words, "--root", root)
    (root / "A/HR/2.png").unlink()
    (root / "A/HR/2.png").symlink_to(root / "gone.png")
    assert "A/HR/2.png: is a link to" in mistake(*words, "--root", root)
