"""What `srsweep run` says of a sweep file that cannot be run."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.srsweep.calls import invoke, mistake
from tests.sweeps.sweeps_for_tests import sweep_file


def test_the_number_of_trials_can_be_given(tmp_path: Path) -> None:
    assert "1 of 1 trials complete" in invoke("run", sweep_file(tmp_path), "--trials", 1).output


@pytest.mark.parametrize("trials", [0, -5])
def test_no_trials_at_all(tmp_path: Path, trials: int) -> None:
    result = invoke("run", sweep_file(tmp_path), "--trials", trials)
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr


def test_missing_data_folder(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, data={"train": "DIV2K", "root": str(tmp_path)})
    message = mistake("run", file)
    assert "data.train" in message
    assert "DIV2K" in message


def test_truncated_image(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.effect_noise((64, 64), 50).convert("RGB").save(images / f"{number}.png")
    whole = (images / "1.png").read_bytes()
    (images / "1.png").write_bytes(whole[: len(whole) // 2])
    file = sweep_file(tmp_path, data={"train": str(images), "hold_out": 1})
    assert "1.png" in mistake("run", file)


def test_one_pixel_image(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, side in enumerate((64, 1, 64)):
        Image.effect_noise((side, side), 50).convert("RGB").save(images / f"{number}.png")
    file = sweep_file(tmp_path, data={"train": str(images), "hold_out": 1})
    assert "1.png" in mistake("run", file)


def test_patch_larger_than_the_images(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        Image.effect_noise((40, 40), 50).convert("RGB").save(images / f"{number}.png")
    file = sweep_file(
        tmp_path,
        data={"train": str(images), "hold_out": 1},
        train={"patch_size": 24, "steps": 2, "evaluate_every": 2},
    )
    assert "train.patch_size" in mistake("run", file)


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", "cannot open"),
        ("sqlite:////nowhere/at/all/results.db", "cannot open"),
        ("results.db", "must be a database URL such as sqlite:///results.db"),
    ],
)
def test_unreachable_database(tmp_path: Path, storage: str, told: str) -> None:
    message = mistake("run", sweep_file(tmp_path, storage=storage))
    assert "storage: " in message
    assert told in message


def test_database_of_another_schema(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("create table schema_version (version integer primary key)")
        connection.execute("insert into schema_version values (99)")
    told = "has schema 0099, and this srsweep knows schemas up to 0"
    assert told in mistake("run", sweep_file(tmp_path))
    assert told in mistake("front", "tiny", "--db", f"sqlite:///{tmp_path / 'results.db'}")


def test_database_of_something_else(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("create table songs (title text)")
    assert "holds other tables (songs)" in mistake("run", sweep_file(tmp_path))


def test_yaml_that_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert "must be a mapping with the sweep under metadata.sweep" in mistake(
        "run", tmp_path / "list.yaml"
    )


@pytest.mark.parametrize(
    ("settings", "key", "fault"),
    [
        ({"budget": {"params": 10}}, "budget", "no architecture of the space meets params <= 10"),
        ({"data": {"train": "set", "hold_out": 9}}, "hold_out", "must leave images to train on"),
    ],
)
def test_what_only_the_run_finds_is_told_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, key: str, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), (40 * number, 0, 0)).save(f"set/{number}.png")
    file = sweep_file(tmp_path, **settings)
    lines = Path(file).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.strip().startswith(f"{key}:"))
    for command in ("check", "run"):
        message = mistake(command, file)
        assert message.startswith(f"Error: {file}:{line}: metadata.sweep.")
        assert f"{key}: {fault}" in message


def test_a_fault_of_ours_while_a_trial_trains_is_in_the_log_and_fails_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        list(zip([1], [], strict=True))

    monkeypatch.setattr("sweeps.train.segment.train", fault)
    resources = {"concurrent": 1}
    result = invoke("run", sweep_file(tmp_path, resources=resources))
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert "ValueError: zip() argument 2 is shorter than argument 1" in result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    log = (tmp_path / "results.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "in fault" in log
