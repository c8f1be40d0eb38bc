"""`srsweep device design`, `model` and `predict`: from the networks to time to a choice by predicted latency."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.export.target import Job
from analysis.export.targets import TARGETS
from searchspace.architecture import architecture
from searchspace.operators import operators
from searchspace.recipe import Recipe
from srsweep.device_model import _one_scale
from tests.srsweep.calls import mistake, succeed
from tests.stored import Database

SWEEP = """
metadata:
  sweep:
    name: phone
    scale: 4
    families:
      slwsr: {n_feats: [2, 4, 8], n_blocks: [5, 7], compression: [none, all]}
"""
SIZE = (48, 64)


def milliseconds(card: Path) -> float:
    network = json.loads(card.read_text())
    table = operators(architecture(network["family"], network["knobs"]), 4, SIZE)
    return 1 + 2e-7 * table["conv 3x3"] + 1e-7 * table["conv 1x1"]


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the conversion to ONNX, which takes seconds."""

    def write(job: Job, path: Path) -> None:
        path.write_text(str(sum(each.numel() for each in job.network.parameters())))

    def run(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        return low_res.repeat(4, axis=2).repeat(4, axis=3)

    target = replace(TARGETS["onnx"], write=write, load=lambda path, threads: run)
    monkeypatch.setitem(TARGETS, "onnx", target)


@pytest.fixture
def bench(tmp_path: Path, cheap: None) -> Path:
    """A designed set of networks, timed on a device whose rates are known."""
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    folder = tmp_path / "bench"
    words = ("--to", "onnx", "--count", 9, "--size", "64x48", "-o", folder, "--json")
    designed = json.loads(succeed("device", "design", tmp_path / "sweep.yaml", *words).stdout)
    assert len({row["file"] for row in designed}) == 9
    rows = [
        f"{row['file']},{milliseconds(folder / row['file'].replace('.onnx', '-onnx.json'))},64x48"
        for row in designed
    ]
    (folder / "latencies.csv").write_text("\n".join(["file,latency_ms,size", *rows]) + "\n")
    text = (folder / "latencies.csv").read_text().splitlines()
    head, *lines = text
    full = [f"{head},device,runtime,delegate,threads"]
    full += [
        f"{line},Pixel 9,onnxruntime 1.3,{name},1" for name in ("cpu", "nnapi") for line in lines
    ]
    (folder / "latencies.csv").write_text("\n".join(full) + "\n")
    return folder


def test_from_a_design_to_a_choice_by_predicted_latency(
    bench: Path, small: Database, tmp_path: Path
) -> None:
    table, model = bench / "latencies.csv", tmp_path / "pixel.json"
    told = mistake("device", "model", table, "-o", model, "--db", small.url)
    assert "--latency: must have words of one of the latencies" in told
    twice = tmp_path / "twice.csv"
    lines = table.read_text().splitlines()
    twice.write_text("\n".join([*lines, lines[1].replace(",64x48", "9,64x48")]) + "\n")
    words = ("--networks", bench, "--latency", "cpu", "-o", model)
    assert "twice.csv, line 20: is the same measurement of the same network as line 2" in mistake(
        "device", "model", twice, *words
    )
    learnt = succeed("device", "model", table, "--latency", "nnapi", "-o", model, "--json")
    assert len(json.loads(learnt.stdout)) == 9
    assert "error of cross-validation: median 0.0 %, 90th percentile 0.0 %" in learnt.stderr
    again = ("device", "model", table, "--latency", "nnapi", "-o", model)
    assert f"--output: {model} exists already; add --replace" in mistake(*again)
    succeed(*again, "--replace")
    done = succeed("device", "predict", model, "small", "--db", small.url, "--json")
    rows = {row["trial"]: row["predicted_ms"] for row in json.loads(done.stdout)}
    assert list(rows) == ["small#0", "small#1", "small#2", "small#3"]
    table_of = operators(architecture("slwsr", {"n_feats": 3}), 4, SIZE)
    expected = 1 + 2e-7 * table_of["conv 3x3"] + 1e-7 * table_of["conv 1x1"]
    assert rows["small#2"] == pytest.approx(expected, rel=1e-5)
    limit = f"latency predicted={(rows['small#1'] + rows['small#2']) / 2}ms"
    chosen = succeed("select", "small", "--max", limit, "--db", small.url, "--json")
    assert json.loads(chosen.stdout)[0]["number"] == 1


def test_a_model_tells_how_many_of_its_latencies_are_unreliable(
    bench: Path, tmp_path: Path
) -> None:
    table, words = bench / "latencies.csv", ("--latency", "cpu", "-o", tmp_path / "pixel.json")
    assert "unreliable" not in succeed("device", "model", table, *words).stderr
    head, *lines = table.read_text().splitlines()
    marked = [f"{line},{'no' if n < 2 else 'yes'}" for n, line in enumerate(lines)]
    table.write_text("\n".join([f"{head},reliable", *marked]) + "\n")
    told = succeed("device", "model", table, *words, "--replace", "--json")
    assert "2 of 9 latencies are unreliable" in told.stderr
    assert len(json.loads(told.stdout)) == 9


def test_a_model_of_another_scale_predicts_nothing(bench: Path, tmp_path: Path) -> None:
    model = tmp_path / "pixel.json"
    succeed("device", "model", bench / "latencies.csv", "--latency", "cpu", "-o", model)
    told = mistake("device", "predict", model, "slwsr", "n_feats=2", "--scale", 2)
    assert "the model was learnt from networks of scale 4, got scale 2" in told


def test_trials_that_share_a_network_count_once_with_their_mean() -> None:
    """They differ only in their recipe or seed, which a latency does not depend on."""
    network = architecture("slwsr", {"n_feats": 2})
    recipe = replace(network, recipe=Recipe(learning_rate=0.1))
    other = architecture("slwsr", {"n_feats": 3})
    samples = [(network, 4, 2.0), (recipe, 4, 4.0), (other, 4, 5.0)]
    assert _one_scale(samples, "first") == (4, {network: 3.0, other: 5.0})


def test_a_measured_latency_is_meant_unless_the_prediction_is_named(
    bench: Path, small: Database, tmp_path: Path
) -> None:
    model = tmp_path / "pixel.json"
    succeed("device", "model", bench / "latencies.csv", "--latency", "cpu", "-o", model)
    succeed("device", "predict", model, "small", "--db", small.url)
    phone = tmp_path / "phone.csv"
    phone.write_text("trial,latency_ms\nsmall#0,77\nsmall#1,88\n")
    same = ("--device", "Pixel 9", "--runtime", "onnxruntime 1.3", "--delegate", "cpu")
    same += ("--dtype", "float32", "--size", "64x48", "--threads", 1)
    succeed("latency", "import", phone, *same, "--db", small.url)
    for word, without in (("Pixel", 2), ("predicted", 0)):
        words = ("--objectives", f"psnr_y,latency {word}", "--db", small.url, "--csv")
        front = succeed("front", "small", *words)
        assert ("complete trials have no" in front.stderr) == bool(without)
    few = succeed(
        "device", "model", "small", "-o", tmp_path / "few.json", "--db", small.url, code=2
    )
    assert "a model needs latencies of at least 8 networks, got 2" in few.stderr


def test_a_design_never_takes_the_place_of_a_trained_network(bench: Path, tmp_path: Path) -> None:
    words = ("--to", "onnx", "--count", 9, "--size", "64x48", "-o", bench)
    succeed("device", "design", tmp_path / "sweep.yaml", *words)  # its own files are written anew
    file = sorted(bench.glob("*.onnx"))[4]
    before = {path: path.read_bytes() for path in bench.iterdir()}
    before[file] = b"trained weights"  # their card describes another file
    file.write_bytes(before[file])
    told = mistake("device", "design", tmp_path / "sweep.yaml", *words)
    assert f"-o: {file} exists already, and `srsweep device design` did not write it" in told
    assert {path: path.read_bytes() for path in bench.iterdir()} == before


def test_a_designed_file_that_cannot_be_run_leaves_the_older_one(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, threads: int) -> None:
        raise RuntimeError("unknown operator")

    before = {path: path.read_bytes() for path in bench.iterdir()}
    write = replace(TARGETS["onnx"], write=lambda job, path: path.write_text("new"), load=broken)
    monkeypatch.setitem(TARGETS, "onnx", write)
    words = ("--to", "onnx", "--count", 9, "--size", "64x48", "-o", bench)
    told = succeed("device", "design", tmp_path / "sweep.yaml", *words, code=1).stderr
    assert told.count("unknown operator") == 9
    assert {path: path.read_bytes() for path in bench.iterdir()} == before
