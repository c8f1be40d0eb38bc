"""Results of a device become a CSV file in which no two measurements share a name by mistake."""

from dataclasses import replace

import pytest

from analysis.device.programs import Times
from analysis.device.results import Result, as_csv
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
