"""How `srsweep train` answers a mistake."""

from pathlib import Path

import pytest

from tests.srsweep.calls import invoke, mistake


def test_a_setting_of_the_training_that_cannot_be(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--set", "learning_rate=-1", "-o", tmp_path / "best")
    assert "--set learning_rate: Input should be greater than 0, got -1" in message


def test_a_setting_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--set", "schedule=[", "-o", tmp_path / "x")
    assert "--set schedule=[: '[' is not a value" in message


def test_images_that_may_not_be_trained_on_name_the_option(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--data", "Set5", "-o", tmp_path / "x")
    assert message.startswith("Error: --data: must not be a test set")
    assert "http" not in message


@pytest.mark.parametrize("command", ["export", "train"])
def test_an_output_that_is_a_file_is_refused_as_such(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke(command, "slwsr", "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "'-o'" in result.stderr
    assert "is a file" in result.stderr
