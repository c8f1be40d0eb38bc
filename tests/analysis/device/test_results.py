"""Results of a device become a CSV file in which no two measurements share a name by mistake."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.device.programs import Times
from analysis.device.results import HERE, MARK, Result, as_csv, read_results
from searchspace.errors import UserError

RESULT = Result(
    file="edsr-0123abcd_x4.mnn",
    delegate="cpu",
    threads=1,
    size="320x180",
    times=Times(typical=3.0),
    device="Board",
    runtime="mnn 3.6.1",
)


def test_one_name_is_refused_for_results_of_several_runtimes() -> None:
    """The same network in two formats would otherwise have two times under one name."""
    other = replace(RESULT, file="edsr-0123abcd_x4.onnx", runtime="onnxruntime 1.31.1")
    with pytest.raises(UserError, match=r"--runtime: must be left out.*mnn 3.6.1, onnxruntime"):
        as_csv([RESULT, other], "", "mine")
    kept = as_csv([RESULT, other], "", "").splitlines()
    assert [line.split(",")[6] for line in kept[1:]] == ["mnn 3.6.1", "onnxruntime 1.31.1"]
    assert "Board,mine,cpu,320x180,1" in as_csv([RESULT], "", "mine")


def test_the_reliability_of_a_latency_is_a_column_if_a_result_tells_it() -> None:
    told = [replace(RESULT, doubt=""), replace(RESULT, doubt="others used 1.2 cores"), RESULT]
    rows = list(csv.DictReader(as_csv(told, "", "").splitlines()))
    assert [row["reliable"] for row in rows] == ["yes", "no", ""]
    assert "reliable" not in as_csv([RESULT], "", "")


def test_only_results_of_srsweep_itself_tell_their_reliability(tmp_path: Path) -> None:
    folder = tmp_path / "cpu-1-320x180"
    folder.mkdir()
    conditions = {"size": "320x180", "delegate": "cpu", "threads": 1}
    for name, own, output in (
        ("a.onnx", {"program": HERE, "doubt": "the quartiles do not agree"}, '{"typical": 3.0}'),
        ("b.onnx", {"program": HERE, "doubt": ""}, '{"typical": 3.0}'),
        ("c.mnn", {"program": "MNNV2Basic.out"}, "Avg= 3.0 ms, min= 2.0 ms"),
    ):
        text = f"{MARK}{json.dumps(conditions | own)}\n{output}\n"
        (folder / f"{name}.txt").write_text(text)
    found = read_results(tmp_path)
    assert not found.faults
    assert [each.reliable for each in found.read] == ["no", "yes", ""]
