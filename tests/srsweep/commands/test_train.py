"""How `srsweep train` answers a mistake."""

from pathlib import Path

import pytest

from tests.srsweep.calls import invoke, mistake


def test_a_setting_of_the_training_that_cannot_be(tmp_path: Path) -> None:
    message = mistake("train", "slwsr", "--set", "learning_rate=-1", "-o", tmp_path / "best")
    assert "--set learning_rate: Input should be greater than 0, got -1" in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["degradation={jpg: 60}"], "--set degradation.jpg: no such key; did you mean jpeg?"),
        (["distill={teacher: {weight: t.pt}}"], "--set distill.teacher.weight: no such key; did"),
        (
            ["patch_stages=[{sise: 8}]"],
            "--set patch_stages.0.sise: no such key; did you mean size?",
        ),
        (["quantize=int8", "precision=bfloat16"], "--set: precision must be float32 or auto"),
    ],
)
def test_a_mistake_inside_a_setting_names_its_whole_path(
    tmp_path: Path, changes: list[str], told: str
) -> None:
    options = [word for change in changes for word in ("--set", change)]
    assert told in mistake("train", "slwsr", *options, "-o", tmp_path / "x")


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


def test_a_folder_with_checkpoints_of_a_sweep_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the image cache
    kept = tmp_path / "runs" / "first" / "3" / "attempt-2.pt"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"the weights of first#3")
    small = ("n_feats=2", "n_blocks=2", "local_blocks=2", "--scale", "2", "--set", "patch_size=8")
    message = mistake("train", "slwsr", *small, "--steps", "1", "-o", kept.parent)
    assert f"-o: {kept.parent} holds attempt-2.pt of another training" in message
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
