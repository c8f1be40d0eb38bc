"""`srsweep ntire`: the baseline is measured in the way of the sweep, on invented latencies."""

import json
import math
from pathlib import Path

import pytest

from tests.srsweep.calls import mistake, succeed
from tests.srsweep.commands.test_latency import Measured, measured  # noqa: F401 - a fixture
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file

RECORDED = f"sqlite:///{Path(__file__).parents[3] / 'results.db'}"


def test_the_score_compares_with_a_baseline_that_is_measured_now(
    tmp_path: Path,
    measured: Measured,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = sweep_file(
        tmp_path,
        objectives={"psnr_rgb": "maximize", "latency": "minimize"},
        constraints=["psnr_rgb >= 80"],
        search={"sampler": "random", "trials": 1},
        train=SMALL["train"] | {"steps": 2},
    )
    measured(100.0, "")
    succeed("run", file)
    measured(50.0, "other processes used the cores")
    result = succeed("ntire", file, "--gate", 0, "--json")
    trial, baseline = json.loads(result.stdout)
    assert trial["score_runtime"] == pytest.approx(math.e**4)
    assert baseline["label"] == "span"
    assert baseline["latency_ms"] == 50
    assert baseline["score"] == pytest.approx(math.e**2)
    assert "unreliable: the latency of the baseline" in result.stderr
    said = " ".join(succeed("ntire", file, "--gate", 90, "--year", 2025).stdout.split())
    assert "baseline efdn" in said
    assert "0 of 1 variants are ranked; 1 are below the gate of 90 dB of RGB" in said
    said = " ".join(succeed("ntire", file).stdout.split())
    assert "1 are below the gate of 80 dB of RGB" in said  # the sweep's own gate
    monkeypatch.setattr("srsweep.latency_anew.device_model", lambda device: "another processor")
    assert "ntire: latency: this machine measures" in mistake("ntire", file)


def test_a_sweep_without_latencies_is_told(tmp_path: Path) -> None:
    file = sweep_file(
        tmp_path, search={"sampler": "random", "trials": 1}, train=SMALL["train"] | {"steps": 2}
    )
    succeed("run", file)
    assert "no complete trial has a latency in torch" in mistake("ntire", file)


def test_latencies_of_other_sweeps_and_runtimes_do_not_count() -> None:
    """The recorded database has onnxruntime's latencies of another sweep."""
    for sweep in ("recent-x4-100k", "families-x4-int8"):
        said = mistake("ntire", sweep, "--db", RECORDED)
        assert f"{sweep}: no complete trial has a latency in torch" in said
        assert f"latency '{sweep}#" in said


def test_the_challenges_own_table_is_printed_with_its_scores() -> None:
    rows = json.loads(succeed("ntire", "--published", "--json").stdout)
    assert [row["entry"] for row in rows[:3]] == [
        "22_SPANV2_ESR_C2",
        "01_PDS",
        "16_PKDSR_FINAL_CKPT",
    ]
    assert "21_SAFMN" not in [row["entry"] for row in rows]  # below the gate
    (baseline,) = [row for row in rows if row["entry"] == "00_SPAN"]
    assert baseline["score"] == pytest.approx(math.e**2)
    assert "there is no table of 2025" in mistake("ntire", "--published", "--year", 2025)
    assert "must name a sweep" in mistake("ntire")
    assert "must be used without NAME" in mistake("ntire", "first", "--published")
