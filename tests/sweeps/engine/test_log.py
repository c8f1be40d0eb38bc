"""A fault in the program while a trial trains leaves its traceback in the log and one line for the terminal."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from srsweep.cli import main
from sweeps.train import segment as segments
from tests.sweeps.sweeps_for_tests import sweep_file


def fault(*_: Any, **__: Any) -> None:
    list(zip([1], [1, 2], strict=True))  # a ValueError, as any library may raise


def test_a_fault_of_the_program_is_no_mistake_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sweep_file(tmp_path)
    monkeypatch.setattr(segments, "train", fault)
    told = CliRunner().invoke(main, ["run", str(file)])
    assert told.exit_code == 1
    assert "Traceback" not in told.output
    (last,) = [line for line in told.stderr.splitlines() if "all 4 trials have failed" in line]
    log = tmp_path / "results.log"
    assert f"ValueError: zip() argument 2 is longer than argument 1; traceback in {log}" in last
    logged = log.read_text()
    assert (
        logged.count("Traceback (most recent call last)") == 8
    )  # two attempts at each of four trials
    assert "sweep tiny, trial 3, attempt 2" in logged
    assert "in fault" in logged
