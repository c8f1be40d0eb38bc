"""Checkpoints and attempts state the threads and the precision of a trial, also if they change."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sweeps.checkpoints.state import Checkpoints, read_checkpoint
from sweeps.device import pick_autocast
from sweeps.records import Evaluation
from sweeps.run import run_sweep
from sweeps.train.segment import DEVICE_LENGTH, computed, computed_on
from sweeps.train.settings import TrainSettings
from tests.sweeps.sweeps_for_tests import small_config

ONE = {"sampler": "grid", "trials": 1}


@pytest.fixture(autouse=True)
def same_threads_afterwards() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def devices(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "results.db") as connection:
        return [
            name for (name,) in connection.execute("select device from attempts order by attempt")
        ]


def stop_half_way(folder: Path) -> None:
    """A sweep of one trial that is cut after the first of its two evaluations."""

    class Cut(Exception):  # noqa: N818
        pass

    def cut(sweep: object, record: object) -> None:
        if isinstance(record, Evaluation) and record.step == 2:
            raise Cut

    with pytest.raises(Cut):
        run_sweep(small_config(folder, search=ONE), on_change=cut)


def test_a_trial_resumed_with_other_threads_goes_on_and_its_attempt_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_half_way(tmp_path)
    monkeypatch.setattr("sweeps.machine.num_cores", lambda: 2)
    resources = {"concurrent": 1, "cpu": 2}
    run_sweep(small_config(tmp_path, search=ONE, resources=resources))
    last = devices(tmp_path)[-1]
    assert last.endswith(", 2 threads, float32 (resumed from 1 thread, float32)")
    state = read_checkpoint(tmp_path / "runs" / "tiny" / "0" / "attempt-2.pt")
    assert state is not None
    assert state["computed"] == "2 threads, float32"
    # It went on: the step that was evaluated before was not taken again, but told again.
    assert [m["step"] for m in state["history"] if m["name"] == "psnr_y"] == [2, 4]
    with sqlite3.connect(tmp_path / "results.db") as connection:
        assert connection.execute("select state from trials").fetchall() == [("complete",)]


def test_a_trial_resumed_with_the_same_threads_says_nothing(tmp_path: Path) -> None:
    stop_half_way(tmp_path)
    run_sweep(small_config(tmp_path, search=ONE))
    assert devices(tmp_path)[-1].endswith(", 1 thread, float32")


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_precision_auto_is_stated_as_what_it_means_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert pick_autocast("auto", torch.device("cpu")) == native
    assert computed(TrainSettings(device="cpu"), threads=4) == f"4 threads, {expected}"


def test_a_checkpoint_from_before_such_statements_is_of_unknown_rounding(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"step": 2}, path)
    now = Checkpoints(write=path, read=(path,), computed="1 thread, float32")
    assert computed_on("A", now) == "A, 1 thread, float32 (resumed from unknown)"
    long = computed_on("A processor with a long name " * 9, now)
    assert len(long) == DEVICE_LENGTH
    assert long.endswith("1 thread, float32 (resumed from unknown)")
