"""The load of other processes: what /proc says, on an invented machine."""

import os
import time
from math import isnan
from pathlib import Path

import pytest

from sweeps.measure import load
from sweeps.measure.load import Load, Meter, busy_seconds

STAT = """cpu  999 9 9 9 9 9 9 9 0 0
cpu0 {user} 20 30 4000 500 6 7 8 90 90
cpu1 100 0 0 4000 0 0 0 0 0 0
intr 1 2 3
"""
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cores whose counters a test can set, and a process that has used no time."""
    monkeypatch.setattr(load, "PROC", tmp_path)
    monkeypatch.setattr(load, "allowed_cores", lambda: [0, 1])
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    monkeypatch.setattr(time, "perf_counter", iter([100.0, 102.0]).__next__)
    (tmp_path / "stat").write_text(STAT.format(user=10))
    return tmp_path


def test_idle_time_and_time_of_other_cores_is_not_load() -> None:
    """Idle and waiting for a disk are no load; time stolen by the host of a virtual machine is."""
    assert busy_seconds(STAT.format(user=10), [0]) == pytest.approx(
        (10 + 20 + 30 + 6 + 7 + 8) / TICKS
    )
    assert busy_seconds(STAT.format(user=10), [1]) == pytest.approx(100 / TICKS)
    with pytest.raises(ValueError, match="a core is missing"):
        busy_seconds(STAT, [2])


def test_load_is_what_others_used_of_the_cores(machine: Path) -> None:
    meter = Meter()
    (machine / "stat").write_text(STAT.format(user=10 + 3 * TICKS))
    seen = meter.load()
    assert seen.others == pytest.approx(1.5)  # three seconds in two
    assert seen.is_busy
    assert str(seen) == "other processes used 1.5 of 2 cores"


def test_own_processes_are_no_load(machine: Path) -> None:
    (machine / "7").mkdir()
    own = machine / "7" / "stat"
    own.write_text("7 (a b) c) S " + "0 " * 10 + "5 6 0 0")
    meter = Meter([7])
    (machine / "stat").write_text(STAT.format(user=10 + 3 * TICKS))
    own.write_text("7 (a b) c) S " + "0 " * 10 + f"{5 + 2 * TICKS} {6 + TICKS} 0 0")
    seen = meter.load()
    assert seen.others == pytest.approx(0)
    assert not seen.is_busy


def test_a_system_that_reports_no_load_is_not_called_busy(machine: Path) -> None:
    (machine / "stat").unlink()
    seen = Meter().load()
    assert isnan(seen.others)
    assert not seen.is_busy
    assert str(seen) == "the load of other processes is unknown"


@pytest.mark.parametrize(
    ("others", "cores", "seconds", "busy"),
    [
        (0.1, 2, 5.0, False),
        (0.2, 2, 5.0, True),
        (0.13, 2, 0.5, False),  # within the error of so short a time
        (3.0, 64, 5.0, False),  # sixty cores are free
        (4.0, 64, 5.0, True),
    ],
)
def test_a_machine_is_busy_above_a_twentieth_of_its_cores(
    others: float, cores: int, seconds: float, busy: bool
) -> None:
    assert Load(others=others, cores=cores, seconds=seconds).is_busy == busy
