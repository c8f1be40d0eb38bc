"""Whose fault a failure is, what is recorded of it, and what becomes of the sweep."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from searchspace.errors import UserError
from srsweep.cli import main
from sweeps.engine.outcomes import SweepFailed
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.run import run_sweep
from sweeps.store.store import Store
from sweeps.train import segment as segments
from tests.sweeps.sweeps_for_tests import small_config, start, sweep_file

LEASE = 0.8
"""Seconds."""


def opened(folder: Path, **changes: Any) -> Sweep:
    config = small_config(folder, **changes)
    return Sweep(config, Store(config.storage), holder="test")


def attempts(folder: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "results.db") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("select * from attempts order by 1, 2")]


def states(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "results.db") as connection:
        return [s for (s,) in connection.execute("select state from trials order by number")]


def psnr(step: int) -> Evaluation:
    row = Measurement(step=step, dataset="validation", name="psnr_y", value=30.0)
    return Evaluation(step=step, measurements=(row,))


def test_a_loss_that_diverges_is_not_tried_again(tmp_path: Path) -> None:
    train = {"steps": 40, "patch_size": 8, "batch_size": 2, "learning_rate": 1e6}
    with pytest.raises(SweepFailed, match="5 of 5 trials have failed"):
        run_sweep(
            small_config(
                tmp_path, train=train, search={"sampler": "grid", "trials": 8, "max_attempts": 3}
            )
        )
    assert [row["attempt"] for row in attempts(tmp_path)] == [1] * 5
    assert all("learning_rate" in row["error"] for row in attempts(tmp_path))


def test_checkpoints_that_cannot_be_written_stop_the_sweep_and_give_no_trial_up(
    tmp_path: Path,
) -> None:
    place = tmp_path / "runs" / "tiny"
    place.parent.mkdir()
    place.write_text("a file where the folder should be")
    with pytest.raises(SweepFailed, match=r"checkpoint .* cannot be written: .*no trial is given"):
        run_sweep(small_config(tmp_path))
    assert states(tmp_path) == ["paused"]
    assert [row["error"][:31] for row in attempts(tmp_path)] == [
        "not counted against the trial: "
    ] * 2
    # Mended, the same command goes on, and what happened before counts for nothing.
    place.unlink()
    run_sweep(small_config(tmp_path))
    assert states(tmp_path) == ["complete"] * 4


def test_a_fault_of_a_machine_stays_uncounted_after_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path)
    segment = start(first)
    first.handle(segment, Outcome(step=0, error="disk full", machine_fault=True))
    first.close()
    second = opened(tmp_path)
    segment = start(second)
    assert segment.attempt == 2
    assert second.trials[0].errors == 0
    second.handle(segment, Outcome(step=0, error="of its own"))
    assert second.trials[0].state == "paused"  # one error of two that it may have
    second.close()


def test_faults_of_machines_are_counted_anew_after_progress(sweep: Sweep) -> None:
    full = Outcome(step=0, error="disk full", host="node-7", machine_fault=True)
    sweep.handle(start(sweep), full)
    segment = start(sweep)
    sweep.handle(segment, psnr(2))
    sweep.handle(segment, full)
    segment = start(sweep)
    sweep.handle(segment, psnr(2))  # a resumed training repeats it: no progress
    sweep.handle(segment, full)
    with pytest.raises(SweepFailed, match="^node-7: disk full; no trial is given up"):
        sweep.next_segment()


@pytest.mark.parametrize("fault", [UserError("data.root: must hold images"), OSError(28, "full")])
def test_images_that_are_not_there_are_the_machines_fault(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def no_data(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(segments, "open_data", no_data)
    (outcome,) = segments.run(start(sweep))
    assert isinstance(outcome, Outcome)
    assert outcome.machine_fault
    assert outcome.host
    assert str(fault) == outcome.error


def test_a_store_of_checkpoints_that_refuses_is_the_machines_fault(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.write_text("a file where the folder should be")
    sweep = opened(tmp_path, checkpoints=f"file://{place}")
    outcome = list(segments.run(start(sweep)))[-1]
    sweep.close()
    assert isinstance(outcome, Outcome)
    assert outcome.machine_fault
    assert outcome.error.startswith(f"checkpoints: file://{place}/tiny/0: ")


def test_of_a_worker_that_died_the_seconds_and_the_last_step_are_recorded(
    sweep: Sweep, tmp_path: Path
) -> None:
    segment = start(sweep)
    sweep.handle(segment, psnr(2))
    time.sleep(0.2)
    sweep.handle(segment, Outcome(step=0, error="the worker died"))
    (row,) = attempts(tmp_path)
    assert row["step"] == 2
    assert 0.2 <= row["seconds"] < 30


def test_of_what_is_interrupted_the_seconds_are_recorded(tmp_path: Path) -> None:
    sweep = opened(tmp_path)
    segment = start(sweep)
    sweep.handle(segment, psnr(2))
    time.sleep(0.2)
    sweep.close()
    (row,) = attempts(tmp_path)
    assert row["step"] == 2
    assert 0.2 <= row["seconds"] < 30
    assert row["ended_at"] is not None


def test_the_next_driver_closes_what_a_killed_one_left_open(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    killed = Sweep(config, Store(config.storage), holder="killed", lease_seconds=LEASE)
    killed.handle(start(killed), psnr(2))
    time.sleep(0.5)  # alive so long, then it is silent
    killed.keeper.close()
    time.sleep(LEASE)
    next_one = Sweep(config, Store(config.storage), holder="next", lease_seconds=LEASE)
    (row,) = attempts(tmp_path)
    assert row["ended_at"] is not None
    assert row["step"] == 2
    assert 0.2 <= row["seconds"] <= 0.6  # to its last sign of life, not to now
    next_one.close()


def test_a_sweep_that_another_drives_ends_with_one_and_one_line(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    config = small_config(tmp_path)
    other = Sweep(config, Store(config.storage), holder="host-a", lease_seconds=1.0)
    result = CliRunner().invoke(main, ["run", str(file)])
    other.close()
    other.store.close()
    assert result.exit_code == 1
    (error,) = result.stderr.splitlines()
    assert error.startswith("Error: name: this sweep is being driven by host-a; stop that process")
