"""`srsweep train --from` starts from the weights of a folder or a file, and says which tensors it copied."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from searchspace.architecture import architecture
from sweeps.checkpoints.state import checkpoint_path
from tests.srsweep.calls import mistake, succeed

EDSR = ("edsr", "n_feats=4", "n_blocks=1")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The options of a training of one step on three small images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "noise" / f"{number}.png")
    settings = ("patch_size=8", "batch_size=2", "device=cpu", "hold_out=1", "ema=0.9")
    changes = [word for setting in settings for word in ("--set", setting)]
    return ["--data", "noise", "--root", tmp_path, "--steps", 1, *changes]


def test_a_folder_at_x2_starts_a_training_at_x3(words: list[object]) -> None:
    succeed("train", *EDSR, "--scale", 2, *words, "-o", "x2")
    made = succeed("train", *EDSR, "--scale", 3, *words, "--from", "x2", "-o", "x3")
    assert (
        "starts from edsr n_feats=4 n_blocks=1 at x2 (attempt-1.pt: weights matched by"
        in made.stderr
    )
    assert "tensors taken over; new: " in made.stderr
    # Trained again from its folder, with the option kept.
    again = succeed("train", "x3", "-o", "x3-again")
    assert "starts from edsr n_feats=4 n_blocks=1 at x2" in again.stderr
    first, second = (
        torch.load(checkpoint_path(Path(name), 1), weights_only=True)["network"]
        for name in ("x3", "x3-again")
    )
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert "starts from" not in succeed("train", "x3", "-o", "x3").stderr


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(
    words: list[object],
) -> None:
    torch.save(architecture("edsr", {"n_feats": 6, "n_blocks": 1}).network(2).state_dict(), "w.pt")
    said = mistake("train", *EDSR, "--scale", 2, *words, "--from", "w.pt", "-o", "x2")
    assert said.startswith("Error: train.warm_start: ")
    assert "w.pt: weights must fit the network" in said
    assert not Path("x2").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--from", "nothing.pt"), "--from: must be a trial (SWEEP#NUMBER), an output folder of"),
        (("--from", "noise"), "of `srsweep train` or a file of weights, got 'noise'"),
        (("--from", "edsr"), "of `srsweep train` or a file of weights, got 'edsr'"),
        (("--teacher", "edsr"), "--teacher: must be a trial (SWEEP#NUMBER), an output folder of"),
        (
            ("--from", "w.pt", "--set", "warm_start=v.pt"),
            "--set warm_start: is given by --from too",
        ),
        (("--set", "warm_start=3"), "--set warm_start: must be text, got 3"),
        (("--set", "warm_start=missing.pt"), "train.warm_start: missing.pt: no such file"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(
    words: list[object], more: tuple[str, ...], told: str
) -> None:
    Path("w.pt").touch()
    assert told in mistake("train", *EDSR, *words, *more, "-o", "x")


def test_a_folder_is_the_teacher_of_another_training(words: list[object]) -> None:
    succeed("train", *EDSR, "--scale", 2, *words, "-o", "large")
    small = ("edsr", "n_feats=2", "n_blocks=1", "--scale", 2, *words)
    succeed("train", *small, "--teacher", "large", "-o", "small")
    note = json.loads(Path("small/variant.json").read_text())
    weights = str(checkpoint_path(Path("large").absolute(), 1))
    teacher = {"weights": weights, "family": None, "knobs": {}}
    assert note["train"]["distill"] == {"teacher": teacher, "weight": 1.0}
    said = mistake("train", "edsr", "--scale", 3, *words, "--teacher", "large", "-o", "x3")
    assert "train.distill.teacher: " in said
    assert "at x2, not of edsr n_feats=4 n_blocks=1 at x3" in said
    assert not Path("x3").exists()


def test_a_training_with_other_patch_stages_takes_their_largest_size(words: list[object]) -> None:
    succeed("train", *EDSR, "--scale", 2, *words, "-o", "one")
    stages = "patch_stages=[{until: 0.5, size: 4}, {size: 6}]"
    succeed("train", "one", "--steps", 2, "--set", stages, "-o", "two")
    assert json.loads(Path("two/variant.json").read_text())["train"]["patch_size"] == 6
