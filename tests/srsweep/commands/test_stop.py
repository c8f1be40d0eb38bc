"""`srsweep stop` ends the driver of a sweep as Ctrl-C does, also one that ignores SIGINT."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.read.frames import load_sweeps, load_trials
from srsweep.commands.stop import _signal_for
from sweeps.store.lease import acquire
from tests.cluster.drivers import wait_until
from tests.cluster.rows import select
from tests.srsweep.calls import mistake, succeed
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file


@pytest.mark.slow
def test_a_driver_in_the_background_of_a_script_stops_and_the_sweep_resumes(tmp_path: Path) -> None:
    train = {"steps": 100_000, "patch_size": 8, "batch_size": 2, "evaluate_every": 10}
    file = sweep_file(tmp_path, train=train, search={"sampler": "random", "trials": 1})
    url = f"sqlite:///{tmp_path / 'results.db'}"
    process = subprocess.Popen(
        [sys.executable, "-m", "srsweep", "run", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    measured = "select step from measurements where name = 'psnr_y' and step > 0"
    try:
        wait_until(lambda: (tmp_path / "results.db").exists(), "the database is there")
        wait_until(lambda: _rows(url, measured), "a trial was measured")
        told = succeed("stop", "tiny", "--db", url).stdout
        assert f"process {process.pid}" in told
        asked, stopped = told.splitlines()
        assert asked.endswith("to stop; its trials save their states first")
        assert "has stopped; " in stopped
        assert f"resume tiny --db {url}" in stopped
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "resume tiny" in said
    finally:
        process.kill()
        process.wait()
    assert load_trials(url)["state"].tolist() == ["paused"]
    assert "no process runs it" in succeed("stop", "tiny", "--db", url).stdout


def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    try:
        return list(select(url, query, "tiny"))
    except Exception:
        return []  # no table yet


def test_the_signal_is_ctrl_c_unless_the_process_ignores_it() -> None:
    # Stated in both cases, because a test run in the background of a script has inherited that SIGINT is ignored.
    code = "import signal, sys; signal.signal(2, signal.{}); print(); sys.stdin.read()"
    for handler, sent in (("SIG_IGN", signal.SIGTERM), ("default_int_handler", signal.SIGINT)):
        process = subprocess.Popen(
            [sys.executable, "-c", code.format(handler)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        assert _signal_for(process.pid) == sent
        process.communicate()


def test_a_driver_elsewhere_is_named(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (sweep_id,) = load_sweeps(small.url)["sweep_id"]
    monkeypatch.setattr("sweeps.store.lease.this_machine", lambda: "0" * 12)
    acquire(small.store.database, int(sweep_id), "elsewhere (process 7)", 60.0)
    monkeypatch.undo()
    result = succeed("stop", "small", "--db", small.url, code=1)
    assert "elsewhere (process 7) runs it, which is not on this machine" in result.stderr


def test_a_driver_that_does_not_end_in_time_is_told(
    small: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (sweep_id,) = load_sweeps(small.url)["sweep_id"]
    acquire(small.store.database, int(sweep_id), "here (process 7)", 60.0)  # by this process
    sent: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: sent.append(number))
    result = succeed("stop", "small", "--wait", "0.1", "--db", small.url, code=1)
    assert "here (process 7) was asked to stop and has not ended after 0.1 s" in result.stderr
    assert {signal.SIGINT, signal.SIGTERM} & set(sent)
    assert "there is none called" in mistake("stop", "smal", "--db", small.url)
    none = tmp_path / "none.db"
    for words in (("stop", "small"), ("rename", "small", "new")):
        assert "there is no database" in mistake(*words, "--db", f"sqlite:///{none}")
    assert not none.exists()
    for words in (("stop", "small", "--wait"), ("ntire", "small", "--gate")):
        assert "must be a number, got nan" in mistake(*words, "nan", "--db", small.url)
