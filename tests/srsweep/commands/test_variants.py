"""Exports, measures, evaluates and retrains a trial by its name. Measurements become rows."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from analysis.read.frames import load_images, load_sweeps, load_trial, load_trials
from srsweep.choice import choose
from srsweep.cli import main
from sweeps.checkpoints.state import read_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("still_machine")]


def srsweep(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def as_json(*words: object) -> Any:
    """Returns what a command prints on stdout, without the lines about the images."""
    result = CliRunner().invoke(main, [str(word) for word in (*words, "--json")])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    sweep = {
        "name": "one",
        "scale": 4,
        "families": {"fsrcnn": {"n_shrunk": [8]}},
        "search": {"sampler": "grid", "trials": 1},
        "train": {"steps": 30, "evaluate_every": 30, "batch_size": 2},
        "storage": f"sqlite:///{folder}/results.db",
        "checkpoints": str(folder / "runs"),
        "cache": str(folder / "cache"),
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump({"metadata": {"sweep": sweep}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        srsweep("run", "sweep.yaml")
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def rows(*words: object) -> list[dict[str, Any]]:
    """What a command prints with --json."""
    result = CliRunner().invoke(main, [str(word) for word in (*words, "--json")])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, list)
    return found


URL = "sqlite:///results.db"


def test_an_exported_trial_gets_rows_for_the_front_after_quantisation() -> None:
    (row,) = rows("export", "one#0", "--to", "int8", "-o", "out")
    assert Path(row["file"]).is_file()
    trial = load_trials(URL).iloc[0]
    assert trial["psnr_y_int8"] == pytest.approx(row["file_psnr_y"])
    (latency,) = [name for name in trial.index if name.startswith("latency_ms")]
    assert latency.startswith("latency_ms onnxruntime int8 320x180 1 threads on ")
    (front,) = as_json("front", "one", "--int8")
    assert front["psnr_y_int8"] == pytest.approx(row["file_psnr_y"])
    (timed,) = as_json("front", "one", "--objectives", f"psnr_y,{latency}")
    assert timed[latency] == pytest.approx(row["latency_ms"])


def test_a_whole_front_is_exported_by_the_sweeps_name() -> None:
    # The next test exports with --all.
    (row,) = rows("export", "one", "--front", "--to", "onnx", "-o", "all")
    assert row["variant"] == "one#0"
    twice = ("export", "one#0", "one#0", "--weights", "x.pt", "-o", "all")
    assert "--weights: must be used with one variant" in srsweep(*twice, code=2)


def test_an_export_below_bicubic_says_so() -> None:
    # Thirty steps from nothing: far below.
    said = srsweep("export", "one", "--all", "--to", "onnx", "-o", "poor")
    (line,) = [line for line in said.splitlines() if "Worse than bicubic" in line]
    bicubic = load_sweeps(URL)["validation_bicubic_psnr_y"].iloc[0]
    assert line.startswith("poor/fsrcnn-")
    assert f"below bicubic's {bicubic:.2f} dB on the same images." in line
    (card,) = Path("poor").glob("*.json")
    assert json.loads(card.read_text())["psnr_y"]["bicubic"] == pytest.approx(bicubic, abs=1e-5)


def test_what_was_exported_is_told_where_the_rest_could_not_be() -> None:
    (row,) = rows("export", "one#0", "--to", "onnx", "-o", "half")
    Path(row["file"]).with_suffix(".pt2").mkdir()  # in the place of the second file
    words = ["export", "one#0", "--to", "onnx", "--to", "torch", "-o", "half", "--json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert [row["target"] for row in json.loads(result.stdout)] == ["onnx"]
    assert "Is a directory" in result.stderr


def test_a_measured_latency_is_kept_under_its_device() -> None:
    (row,) = json.loads(srsweep("latency", "one#0", "--size", "16x16", "--json"))
    assert row["measurement"] == "latency_ms torch float32 16x16 1 threads"
    name = f"{row['measurement']} on {row['device'][:50].strip()}"
    assert load_trials(URL)[name].iloc[0] == pytest.approx(row["median_ms"])


def test_a_latency_measured_again_takes_the_place_of_the_first() -> None:
    words = ("latency", "one#0", "--size", "24x24", "--json")
    srsweep(*words)
    (row,) = as_json(*words)
    name = f"{row['measurement']} on {row['device'][:50].strip()}"
    assert load_trials(URL)[name].iloc[0] == pytest.approx(row["median_ms"])


def test_psnr_on_other_images_is_not_the_trials(home: Path) -> None:
    (home / "other").mkdir()
    for number in range(22):
        pixels = np.random.default_rng(number).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(home / "other" / f"{number}.png")
    before = load_trials(URL).iloc[0].get("psnr_y_int8", 0.0)
    words = ("--to", "int8", "-o", "noise", "--data", str(home / "other"), "--root", ".")
    assert "the PSNR was not stored" in srsweep("export", "one#0", *words)
    assert load_trials(URL).iloc[0].get("psnr_y_int8", 0.0) == before


def test_a_trained_folder_is_a_variant_and_resumes() -> None:
    words = ("train", "one#0", "--steps", "4", "--set", "evaluate_every=2", "-o", "best")
    srsweep(*words)
    choice = choose(["best"], scale=None, weights=None, db=None)
    assert choice.architecture.key == load_trial(URL, "one", 0)["architecture"]
    assert choice.weights is not None
    assert choice.train.steps == 4
    before = choice.weights.read_bytes()
    srsweep(*words)
    assert choice.weights.read_bytes() == before
    assert "another training" in srsweep("train", "one#0", "--steps", "5", "-o", "best", code=2)


def test_a_folder_gives_its_settings_to_another() -> None:
    words = ("--steps", 3, "--set", "evaluate_every=3", "--set", "batch_size=1")
    srsweep("train", "fsrcnn", "n_shrunk=8", *words, "--seed", 5, "-o", "parent")
    srsweep("train", "parent", "--seed", 6, "-o", "child")
    parent, child = (
        choose([name], scale=None, weights=None, db=None) for name in ("parent", "child")
    )
    assert child.train == parent.train
    assert (child.train.steps, child.train.batch_size, child.data) == (3, 1, parent.data)
    assert (parent.seed, child.seed) == (5, 6)


def test_ctrl_c_saves_at_once_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = (
        "train",
        "fsrcnn",
        "n_shrunk=8",
        "--steps",
        "150",
        "--set",
        "batch_size=2",
        "--set",
        "patch_size=8",
        "-o",
        "cut",
    )
    started = subprocess.Popen(
        [sys.executable, "-m", "srsweep", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    # The first file of the images' cache says that Ctrl-C is being listened for.
    while not any(tmp_path.glob("cache/*")) and time.monotonic() < deadline:
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=120)
    assert started.returncode == 130, said
    line = said.strip().splitlines()[-1]
    assert re.fullmatch(
        r"stopped, saved at step \d+ of 150; to continue, run `.*srsweep train cut -o cut` or the same command again",
        line,
    )
    state = read_checkpoint(tmp_path / "cut" / "attempt-1.pt")
    assert state is not None
    assert 0 <= state["step"] < 150
    assert state["history"] == []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert "step 150/150" in srsweep("train", "cut", "-o", "cut")


def test_test_set_scores_of_a_trial_are_stored(shared: Path) -> None:
    root = shared / "data"
    (row,) = as_json("evaluate", "one#0", "--root", root, "--sets", "Set5")
    assert load_trials(URL)["Set5_psnr_y"].iloc[0] == pytest.approx(row["psnr_y"])
    table = srsweep("evaluate", "one#0", "--root", root, "--sets", "Set5", "--markdown")
    assert table.splitlines()[-1].startswith("| ours | fsrcnn")


def test_scores_of_single_images_are_stored_and_are_no_columns(shared: Path) -> None:
    words = ("evaluate", "one#0", "--root", shared / "data", "--sets", " Set5,Set5 ")
    (row,) = as_json(*words)  # the set once
    images = load_images(URL)
    assert images[["sweep", "number", "set"]].drop_duplicates().values.tolist() == [
        ["one", 0, "Set5"]
    ]
    assert sorted(images["image"]) == ["baby", "bird", "butterfly", "head", "woman"]
    assert images["psnr_y"].mean() == pytest.approx(row["psnr_y"])
    assert images["ssim_y"].mean() == pytest.approx(row["ssim_y"])
    printed = as_json(*words, "--images")
    assert {each["image"]: each["psnr_y"] for each in printed} == pytest.approx(
        dict(zip(images["image"], images["psnr_y"], strict=True))
    )
    assert not [
        name for name in map(str, load_trials(URL)) if "butterfly" in name or "image" in name
    ]


def test_mistakes_are_one_line() -> None:
    assert "must be above 0" in srsweep("select", "one", "--weights", "psnr_y=0,params=0", code=2)
    assert "no trial 7" in srsweep("export", "one#7", "-o", "out", code=2)
    assert "must be a network (FAMILY" in srsweep("export", "nothing", "-o", "out", code=2)
    assert "--scale" in srsweep("latency", "one#0", "--scale", "2", code=2)
    assert "--set" in srsweep("train", "one#0", "--set", "rate=1", "-o", "x", code=2)
