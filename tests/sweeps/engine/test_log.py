"""A fault in the program while a trial trains leaves its traceback in the log and one line for the terminal."""

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from srsweep.cli import main
from tests.sweeps.sweeps_for_tests import sweep_file


def fault(*_: Any, **__: Any) -> None:
    list(zip([1], [1, 2], strict=True))  # a ValueError, as any library may raise


@pytest.mark.parametrize("broken", ["sweeps.train.segment.train", "sweeps.train.loop.evaluate"])
def test_a_fault_of_the_program_is_no_mistake_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    file = sweep_file(tmp_path)
    monkeypatch.setattr(broken, fault)
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


def test_a_fault_while_images_are_scored_keeps_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[None] = []

    def broken(*_: Any, **__: Any) -> Any:
        scored.append(None)
        # The images of bicubic, the floor of the sweep, come first and are scored well.
        return torch.zeros(1, 2) if len(scored) <= 3 else fault()

    monkeypatch.setattr("sweeps.measure.evaluate.scores_y", broken)
    told = CliRunner().invoke(main, ["run", str(sweep_file(tmp_path))])
    assert told.exit_code == 1
    assert "in broken" in (tmp_path / "results.log").read_text()
