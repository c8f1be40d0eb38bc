"""`srsweep train --quantize` and `srsweep int8`."""

import json
from pathlib import Path

import pytest

from tests.srsweep.calls import invoke, mistake, succeed

NETWORK = ("edsr", "n_feats=4", "n_blocks=1")


def test_rounding_fine_tunes_weights(tmp_path: Path) -> None:
    message = mistake("train", *NETWORK, "--quantize", "int8", "-o", tmp_path / "x")
    assert message.startswith("Error: --quantize: fine-tunes trained weights: name a trial")
    message = mistake("train", *NETWORK, "--set", "quantize=int4", "-o", tmp_path / "x")
    assert message.startswith("Error: --set quantize: ")


@pytest.mark.slow
def test_training_with_rounding_from_weights_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    succeed("train", *NETWORK, "--scale", 2, "--steps", 4, "-o", "best")
    result = succeed("train", "best", "--quantize", "int8", "-o", "best-int8")
    assert "starts from edsr" in result.stderr
    settings = json.loads(Path("best-int8/variant.json").read_text())["train"]
    assert (settings["steps"], settings["quantize"]) == (1, "int8")
    assert settings["learning_rate"] == pytest.approx(2e-4)
    message = mistake("train", "best-int8", "--quantize", "int8", "-o", "again")
    assert "were trained with rounding already" in message
    result = invoke("export", "best-int8", "--to", "onnx", "-o", "out")
    assert result.exit_code == 1
    assert "onnx cannot use the ranges" in result.stderr
    rows = json.loads(succeed("int8", "best", "best-int8", "--json").stdout)
    assert [row["variant"] for row in rows] == ["best", "best-int8"]
    assert rows[0]["float32"] == pytest.approx(rows[1]["float32"])
    assert rows[0]["aware"] is None
    assert rows[1]["gain"] == pytest.approx(rows[1]["aware"] - rows[1]["post_training"])
