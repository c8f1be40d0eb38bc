"""What `srsweep evaluate` measures, and how it answers a mistake."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.srsweep.calls import invoke, mistake


def test_weights_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"no checkpoint")
    set5 = tmp_path / "Set5" / "HR"
    set5.mkdir(parents=True)
    Image.effect_noise((64, 64), 50).convert("RGB").save(set5 / "a.png")
    message = mistake("evaluate", "slwsr", "--weights", path, "--root", tmp_path, "--sets", "Set5")
    assert "weights.pt" in message


def test_upstream_checkpoint_through_the_command(shared: Path) -> None:
    weights = shared / "weights" / "s-LWSR32_x4_epoch1.pt"
    result = invoke(
        "evaluate",
        "slwsr",
        "--weights",
        weights,
        "--root",
        shared / "data",
        "--sets",
        "Set5",
        "--json",
    )
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert round(row["psnr_y"], 2) == 28.96


def test_bicubic_with_weights(tmp_path: Path) -> None:
    message = mistake("evaluate", "bicubic", "--tile", 8)
    assert "bicubic: must be used without --weights" in message
    assert "--images: must be used with a table" in mistake(
        "evaluate", "bicubic", "--images", "--latex"
    )


def test_no_test_set_is_a_mistake() -> None:
    assert mistake("evaluate", "bicubic", "--sets", " ,").startswith("Error: --sets: must name")


@pytest.mark.parametrize("scale", ["0", "1", "-2"])
def test_a_scale_that_enlarges_nothing_is_a_mistake(scale: str) -> None:
    said = mistake("evaluate", "bicubic", "--sets", "Set5", "--scale", scale)
    assert "'--scale'" in said
