"""A measurement has the machine to itself: what processes that share the lock files may do, and when.

The processes are real, and so are the locks. No test asserts how long anything takes.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.measure import turns

PROLOGUE = """
import sys, time
from pathlib import Path
from sweeps.measure import turns
turns.runtime_folder = lambda: Path(sys.argv[1]) / "locks"
turns._turns = turns._Turns()
def say(*words):
    print(*words, time.monotonic_ns(), flush=True)
"""
TRAINING = (
    PROLOGUE
    + """
with turns.computing():
    while True:
        turns.give_way()
        say("begin")
        time.sleep(0.005)
        say("end")
"""
)
MEASURING = (
    PROLOGUE
    + """
with turns.alone() as hold:
    say("begin")
    time.sleep(float(sys.argv[2]))
    say("end")
    print(hold.why_not)
"""
)


class Said:
    """A process that runs a script, and the lines that it has printed so far."""

    def __init__(self, file: Path, script: str, *words: object) -> None:
        self.file = file
        with file.open("w") as output:
            command = [sys.executable, "-c", script, str(file.parent), *map(str, words)]
            self.process = subprocess.Popen(command, stdout=output)

    def lines(self) -> list[str]:
        """The lines that are complete. Of the last one, only a part may have been written."""
        lines = self.file.read_text().splitlines(keepends=True)
        return [line[:-1] for line in lines if line.endswith("\n")]

    def intervals(self) -> list[tuple[int, int]]:
        """The (begin, end) of each step or measurement that has ended."""
        times = [int(line.split()[1]) for line in self.lines() if line[:3] in ("beg", "end")]
        return list(zip(times[::2], times[1::2], strict=False))

    def wait_for_more(self) -> None:
        """Returns once the process has printed two more lines."""
        count = len(self.lines())
        while len(self.lines()) < count + 2:
            assert self.process.poll() is None
            time.sleep(0.01)

    def wait_for_begin(self) -> None:
        while not self.lines():
            assert self.process.poll() is None
            time.sleep(0.01)


Start = Callable[..., Said]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "runtime_folder", lambda: tmp_path / "locks")
    monkeypatch.setattr(turns, "_turns", turns._Turns())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a script in a process of its own."""
    started: list[Said] = []

    def begin(script: str, *words: object) -> Said:
        started.append(Said(tmp_path / f"{len(started)}.txt", script, *words))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()


def test_jobs_with_folders_of_their_own_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the folder of the other tests
    monkeypatch.delenv("SRSWEEP_LOCKS")
    usual = turns.runtime_folder()
    monkeypatch.setenv("SRSWEEP_LOCKS", str(tmp_path / "new" / "locks"))
    assert turns.runtime_folder() == tmp_path / "new" / "locks" != usual
    monkeypatch.setattr(turns, "_turns", turns._Turns())
    with turns.alone() as hold:
        assert hold.why_not == ""
    assert (tmp_path / "new" / "locks").is_dir()


def test_a_measurement_sees_no_step_of_two_trainings(start: Start) -> None:
    """Once, a latency of 190 ms was measured as 479 ms while a second trial ran."""
    trainings = [start(TRAINING), start(TRAINING)]
    for each in trainings:
        each.wait_for_more()
    measuring = start(MEASURING, 0.5)
    assert measuring.process.wait() == 0
    assert measuring.lines()[-1] == ""  # it was alone
    ((begin, end),) = measuring.intervals()
    for each in trainings:
        each.wait_for_more()
        steps = each.intervals()
        assert any(last <= begin for _, last in steps)
        assert any(first >= end for first, _ in steps)
        assert [step for step in steps if step[0] < end and step[1] > begin] == []


def test_measurements_take_turns(start: Start) -> None:
    processes = [start(MEASURING, 0.2) for _ in range(3)]
    assert [each.process.wait() for each in processes] == [0, 0, 0]
    found = sorted(each.intervals()[0] for each in processes)
    assert found[0][1] <= found[1][0]
    assert found[1][1] <= found[2][0]


def test_a_training_that_is_stopped_is_named_and_blocks_no_measurement(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start(TRAINING)
    training.wait_for_begin()
    os.kill(training.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(turns, "PAUSE_SECONDS", 0.3)
    with turns.alone() as hold:
        assert (
            hold.why_not == f"process {training.process.pid} (stopped) did not pause within 0.3 s"
        )


def test_a_measurement_that_is_stopped_blocks_no_training(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring = start(MEASURING, 60)
    measuring.wait_for_begin()
    os.kill(measuring.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(turns, "STALE_SECONDS", 0.3)
    with turns.computing():
        waited = turns._turns.waited
        assert waited > 0
        turns._turns.looked = 0.0
        turns.give_way()
        assert turns._turns.waited == waited  # not a second time for the same measurement
    with turns.alone() as hold:
        assert hold.why_not == "another measurement has stopped without an end"


def test_a_measurement_that_is_killed_blocks_nobody(start: Start) -> None:
    measuring = start(MEASURING, 60)
    measuring.wait_for_begin()
    measuring.process.kill()
    measuring.process.wait()
    with turns.computing():
        pass
    with turns.alone() as hold:
        assert hold.why_not == ""


def test_waiting_is_not_part_of_the_clock_and_happens_in_its_context(start: Start) -> None:
    measuring = start(MEASURING, 0.5)
    measuring.wait_for_begin()
    entered: list[str] = []

    class Around:
        def __enter__(self) -> None:
            entered.append("enter")

        def __exit__(self, *_: Any) -> None:
            entered.append("exit")

    with turns.computing(Around):
        assert entered == ["enter", "exit"]
        waited = turns._turns.waited
        assert waited > 0
        before = time.perf_counter()
        assert before - turns.clock() <= waited
        turns.give_way()
    assert entered == ["enter", "exit"]


def test_a_measurement_within_a_computation_lets_go_of_its_own_lock() -> None:
    with turns.computing():
        with turns.alone() as hold:
            assert hold.why_not == ""
            with turns.computing(), turns.alone() as inner:  # such as an evaluation
                assert inner.why_not == ""
            turns.give_way()
        assert turns._turns.busy.is_current()
    assert not turns._turns.busy.held


def test_a_part_of_a_measurement_waits_for_nobody() -> None:
    done = []

    def work() -> None:
        turns.join_measurement()
        with turns.computing():
            done.append(True)

    with turns.alone():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert done == [True]


def test_deleted_lock_files_are_made_anew(start: Start, tmp_path: Path) -> None:
    with turns.computing():
        for file in (tmp_path / "locks").iterdir():
            file.unlink()
        turns._turns.looked = 0.0
        turns.give_way()
        assert turns._turns.busy.is_current()


def test_a_folder_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locks").symlink_to(tmp_path)
    with turns.computing():
        turns.give_way()
    with turns.alone() as hold:
        assert hold.why_not.startswith("the lock files cannot be used")
