"""Tests paths, numbers and long words on the command line, and the checks that `check`, `run` and `pack` share."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sweeps.measure.load import Load, Meter
from tests.srsweep.calls import invoke, mistake
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file

COMMANDS = ("check", "run", "pack")


def images(folder: Path, sides: tuple[int, ...]) -> Path:
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number, side in enumerate(sides):
        pixels = noise.integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_patch_that_does_not_fit_into_an_image_is_refused_by_each_command(
    tmp_path: Path, command: str
) -> None:
    folder = images(tmp_path / "set", (40, 64, 64, 64))
    train = SMALL["train"] | {"patch_size": 24}
    file = sweep_file(tmp_path, data={"train": str(folder), "hold_out": 1}, train=train)
    told = mistake(command, file)
    assert "metadata.sweep.train.patch_size: must fit into each image of" in told
    assert "got 24, but 0 has 20x20 low-resolution pixels at scale 2" in told
    assert not (tmp_path / "results.db").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checkpoints": "{tmp}/file/runs"}, "checkpoints: must be a folder, but {tmp}/file is a file"),
        ({"cache": "{tmp}/file"}, "cache: must be a folder, but {tmp}/file is a file"),
        ({"data": {"train": "embedded", "hold_out": 0}}, "data.hold_out: Input should be greater"),
        ({"budget": {"params": 5}}, "budget: no architecture of the space meets params <= 5"),
    ],
)  # fmt: skip
def test_a_question_is_asked_by_each_command(
    tmp_path: Path, command: str, changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "file").touch()
    changes = json.loads(json.dumps(changes).replace("{tmp}", str(tmp_path)))
    told = mistake(command, sweep_file(tmp_path, **changes))
    assert f"metadata.sweep.{words.replace('{tmp}', str(tmp_path))}" in told


def test_check_names_what_another_machine_must_have(tmp_path: Path) -> None:
    """`run` refuses the same file, because it runs on this machine."""
    file = sweep_file(
        tmp_path, storage=f"sqlite:///{tmp_path}/none/r.db", data={"train": "nowhere"}
    )
    described = json.loads(invoke("check", file, "--json").stdout)
    assert described["data"].startswith("not found: no image set 'nowhere'")
    assert f"folder {tmp_path}/none does not exist" in described["lacking here"]
    told = mistake("run", file)
    assert f"folder {tmp_path}/none does not exist; create it or name another" in told
    fine = json.loads(invoke("check", sweep_file(tmp_path), "--json").stdout)
    assert fine["lacking here"] == "nothing"


def test_check_does_not_time_a_step_that_does_not_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srsweep.commands.check.free_memory", lambda: 2.0**20)
    told = json.loads(invoke("check", sweep_file(tmp_path), "--json").stdout)["expected time"]
    assert told.startswith("unknown: a step of slwsr")
    assert "and 0.0 GiB are free" in told


def test_check_times_a_part_of_a_batch_that_would_take_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, `check` printed nothing for a minute."""
    timed = []

    def time_step(network: object, scale: int, settings: Any) -> float:
        timed.append(settings.batch_size)
        return 1.0

    monkeypatch.setattr("srsweep.commands.check.time_step", time_step)
    monkeypatch.setattr("srsweep.commands.check.free_memory", lambda: 1e15)
    # Beside other processes, `check` would time again and name no time.
    monkeypatch.setattr(Meter, "load", lambda meter: Load(others=0.0, cores=2, seconds=1.0))
    train = SMALL["train"] | {"batch_size": 60_000, "patch_size": 32}
    told = json.loads(invoke("check", sweep_file(tmp_path, train=train), "--json").stdout)
    assert len(timed) == 2
    assert all(1 <= batch < 60_000 for batch in timed)
    # A second for a part stands for many seconds of the whole batch.
    assert "h " in told["expected time"] or "d " in told["expected time"]


def test_paths_on_the_command_line_are_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SETS", str(tmp_path / "sets"))
    monkeypatch.delenv("NOWHERE", raising=False)
    (tmp_path / "home").mkdir()
    file = sweep_file(tmp_path / "home")
    described = json.loads(invoke("check", "~/sweep.yaml", "--json").stdout)
    assert described["sweep"] == "tiny"
    home = f"{tmp_path}/home"
    assert mistake("front", "~/sweep.yaml").endswith(
        f"there is no database {home}/results.db; run a sweep first or name another database"
    )
    assert f"there is no database {home}/x.db" in mistake("status", "--db", "sqlite:///~/x.db")
    assert f"there is no file {home}/x.db" in mistake("merge", "~/x.db")
    assert f"{tmp_path}/sets/x" in mistake(
        "evaluate", "bicubic", "--root", "$SETS/x", "--sets", "a"
    )
    assert f"folder {home}/none does not exist" in mistake(
        "export-optuna", "tiny", "--output=~/none/s.db"
    )
    for words in (
        ["run", "$NOWHERE/s.yaml"],
        ["train", "srcnn", "-o", "$NOWHERE/x"],
        ["train", "srcnn", "-o", "x", "--root", "$NOWHERE"],
        ["train", "srcnn", "-o", "x", "--data", "$NOWHERE/a"],
        ["status", "--db", "sqlite:///$NOWHERE/x.db"],
        ["front", "$NOWHERE.yaml"],
        ["merge", "$NOWHERE"],
    ):
        assert "the environment variable NOWHERE must be set" in mistake(*words)
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    assert file.is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///a?b.db", "x"])
def test_a_database_that_is_no_file_is_refused_on_the_command_line(url: str) -> None:
    told = mistake("status", "--db", url)
    assert told.startswith("Error: --db or SRSWEEP_DB: must ")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "s.yaml", "--trials", "9" * 400],
        ["run", "s.yaml", "--trials", "10_000_001"],
        ["train", "srcnn", "-o", "x", "--seed", "9" * 400],
        ["train", "srcnn", "-o", "x", "--seed", "-1"],
        ["train", "srcnn", "-o", "x", "--steps", "9" * 40],
        ["train", "srcnn", "-o", "x", "--set", f"patch_size={'9' * 400}"],
        ["train", "srcnn", "-o", "x", "--set", "batch_size=60_000", "--set", "patch_size=4_000"],
        ["train", "srcnn", "-o", "x", "--set", "steps=010"],
        ["train", "srcnn", "-o", "x", "--set", "lr=1e-3"],
        ["cost", "srcnn", "--scale", "9" * 40],
        ["cost", "slwsr", "n_feats=016"],
        ["cost", "slwsr", "n_feats=!!int ''"],
        ["cost", "slwsr", f"n_feats={'9' * 5000}"],
        ["latency", "srcnn", "--size", f"{'9' * 5000}x9"],
        ["latency", "srcnn", "--size", "9x999999"],
        ["latency", "srcnn", "--threads", "9" * 40],
        ["merge", "x.db", "--rename", "a=b.yaml"],
    ],
)
def test_a_number_or_a_name_beyond_its_bounds_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(mistake(*words)) < 1_100
    assert list(tmp_path.iterdir()) == []


def test_a_synonym_on_the_command_line_is_answered(tmp_path: Path) -> None:
    told = mistake("train", "srcnn", "-o", tmp_path / "x", "--set", "lr=1e-3")
    assert told == "Error: --set lr=1e-3: no such key; did you mean learning_rate?"
    told = mistake("cost", "slwsr", "num_feat=16")
    assert told == "Error: slwsr.num_feat: no such key; did you mean n_feats?"


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "words",
    [
        [LONG],
        [f"--{LONG}"],
        ["check", LONG],
        ["check", f"--{LONG}"],
        ["run", "s.yaml", "--trials", LONG],
        ["run", "s.yaml", "--driver", LONG],
        ["front", LONG, "--db", "sqlite:///none.db"],
        ["front", LONG + ".yaml"],
        ["status", "--db", LONG],
        ["status", "--db", f"sqlite:///{LONG}"],
        ["cost", LONG],
        ["cost", "slwsr", LONG],
        ["cost", "slwsr", f"{LONG}=1"],
        ["cost", "slwsr", f"n_feats={LONG}"],
        ["train", LONG, "-o", "x"],
        ["train", "srcnn", "-o", "x", "--set", LONG],
        ["train", "srcnn", "-o", "x", "--set", f"{LONG}=1"],
        ["train", "srcnn", "-o", "x", "--set", f"steps={LONG}"],
        ["select", "x", "--max", LONG],
        ["latency", "srcnn", "--size", LONG],
        ["merge", "x.db", "--rename", LONG],
        ["merge", LONG],
    ],
)
def test_a_long_word_is_cut(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*words)
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert len(result.output) < 3_000
