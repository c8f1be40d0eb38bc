"""Tests trials that hang, are killed or fail, and drivers that are suspended or started twice."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

import torch

from sweeps.checkpoints.state import checkpoint_path
from sweeps.config.sweep_config import read_config
from sweeps.data.split import open_data
from sweeps.engine.sweep import Sweep
from sweeps.store.store import Store
from sweeps.train.segment import training_of
from tests.cluster.drivers import (
    TRAIN,
    driver,
    ended,
    lasting_sweep,
    undisturbed_rows,
    wait_until,
)
from tests.cluster.nodes import Cluster, Node
from tests.cluster.rows import attempts, complete, rows

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("nodes")]

SHORT = {
    "search": {"sampler": "random", "trials": 3},
    "train": {**TRAIN, "steps": 20, "evaluate_every": 10},
}
"""A sweep that is not disturbed while a trial runs."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        running.add_node(cpus=2)
        yield running


def url_of(file: Path) -> str:
    return f"sqlite:///{file.parent / 'results.db'}"


def states(file: Path) -> list[str]:
    return [row[4] for row in rows(url_of(file), "tiny")["trials"]]


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_a_trial_that_hangs_is_killed_and_told_where_it_stood(
    cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    """Reading its checkpoint never ends, as on a network disk that is gone."""
    file = lasting_sweep(
        tmp_path / "sweep",
        resources={"cpu": 1, "hours_per_attempt": 9 / 3600, "concurrent": 2},
        **SHORT,
    )
    trial = file.parent / "runs" / "tiny" / "0"
    trial.mkdir(parents=True)
    os.mkfifo(trial / "attempt-1.pt")
    with driver(file, ray=cluster.address if kind == "ray" else None) as process:
        code, output = ended(process)
    assert code == 0, output
    assert states(file) == ["failed", "complete", "complete"]
    errors = [error for number, _, _, error, _ in attempts(url_of(file), "tiny") if number == 0]
    assert len(errors) == 2
    for error in errors:
        assert error.startswith("killed after 0.0025 h (resources.hours_per_attempt)")
        assert "in read_checkpoint" in error


def test_a_trial_whose_process_is_killed_goes_on_and_the_loss_is_recorded(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The kernel sends SIGKILL when memory is exhausted."""
    file = lasting_sweep(tmp_path / "sweep", search={"sampler": "random", "trials": 4})
    node: Node = cluster.nodes[0]
    with driver(file, ray=cluster.address) as process:
        wait_until(lambda: complete(url_of(file), "tiny") >= 1, "a trial is complete")
        wait_until(lambda: node.workers, "a trial runs")
        node.workers[0].send_signal(signal.SIGKILL)
        code, output = ended(process)
    assert code == 0, output
    assert states(file) == ["complete"] * 4
    errors = [error for *_, error, _ in attempts(url_of(file), "tiny") if error]
    assert len(errors) == 1
    assert errors[0].startswith("the worker died")


def test_a_worker_passes_over_a_checkpoint_without_weights(
    cluster: Cluster, tmp_path: Path
) -> None:
    """In earlier versions, such a checkpoint made the trial fail for good."""
    file = lasting_sweep(tmp_path / "sweep", **SHORT)
    _spoil(file, number=1)
    with driver(file, ray=cluster.address) as process:
        code, output = ended(process)
    assert code == 0, output
    assert states(file) == ["complete"] * 3
    assert [error for number, _, _, error, _ in attempts(url_of(file), "tiny") if error] == []


def _spoil(file: Path, number: int) -> None:
    """Writes a checkpoint that fits the trial in all settings but holds no weights."""
    config = read_config(file)
    copy = config.model_copy(update={"storage": f"sqlite:///{file.parent / 'copy.db'}"})
    sweep = Sweep(copy, Store(copy.storage), holder="test")
    segments = [sweep.next_segment() for _ in range(number + 1)]
    sweep.close()
    sweep.store.close()
    segment = segments[-1]
    assert segment is not None
    split = open_data(segment.data, segment.scale, segment.cache)
    path = checkpoint_path(segment.folder, 1)
    path.parent.mkdir(parents=True)
    torch.save({"step": 0, "network": {}, "training": training_of(segment, split).stored()}, path)


def test_where_no_checkpoint_can_be_written_the_sweep_stops_and_gives_no_trial_up(
    cluster: Cluster, tmp_path: Path
) -> None:
    file = lasting_sweep(tmp_path / "sweep", **SHORT)
    place = file.parent / "runs" / "tiny"
    place.parent.mkdir()
    place.write_text("no folder")
    with driver(file, ray=cluster.address) as process:
        code, output = ended(process)
    assert code == 1, output
    assert "cannot be written" in output
    assert "repair the machine, then run the sweep again" in output
    assert "Traceback" not in output
    assert set(states(file)) == {"paused"}
    place.unlink()
    with driver(file) as process:
        code, output = ended(process)
    assert code == 0, output
    assert states(file) == ["complete"] * 3


def test_a_driver_that_is_busy_for_long_keeps_its_lease_until_it_is_killed(tmp_path: Path) -> None:
    """The only process reports nothing, because reading its checkpoint never ends."""
    file = lasting_sweep(
        tmp_path / "sweep",
        search={"sampler": "random", "trials": 2},
        resources={"cpu": 1, "concurrent": 1},
    )
    trial = file.parent / "runs" / "tiny" / "0"
    trial.mkdir(parents=True)
    os.mkfifo(trial / "attempt-1.pt")
    with driver(file, lease=2) as first:
        wait_until(lambda: _open_attempts(file), "the first trial has begun")
        time.sleep(1.5 * 2)
        with driver(file, lease=2) as second:
            code, output = ended(second)
        assert code == 1, output
        assert f"being driven by {_lease(file)}" in output
        assert first.poll() is None
        first.kill()
        first.wait()
    (trial / "attempt-1.pt").unlink()
    with driver(file, lease=2) as third:
        code, output = ended(third)
    assert code == 0, output
    assert states(file) == ["complete"] * 2
    assert [row[:2] for row in attempts(url_of(file), "tiny")] == [(0, 1), (0, 2), (1, 1)]


def _suspend(process: subprocess.Popen[str], file: Path) -> None:
    """Suspends a driver while it holds no lock. Otherwise SQLite would block every other process."""
    while True:
        process.send_signal(signal.SIGSTOP)
        database = sqlite3.connect(file.parent / "results.db", timeout=1)
        try:
            database.execute("BEGIN EXCLUSIVE").close()
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        else:
            return
        finally:
            database.close()


def test_a_driver_that_was_suspended_and_replaced_stops_and_stores_nothing_more(
    tmp_path: Path,
) -> None:
    settings = {
        "search": {"sampler": "random", "trials": 6},
        "resources": {"cpu": 1, "concurrent": 1},
    }
    file = lasting_sweep(tmp_path / "sweep", **settings)
    with driver(file, lease=2) as first:
        wait_until(lambda: complete(url_of(file), "tiny") >= 1, "a trial is complete")
        _suspend(first, file)
        with driver(file, lease=2) as second:
            wait_until(lambda: str(second.pid) in _lease(file), "the second has taken over")
            wait_until(lambda: _open_attempts(file), "the second has begun a trial")
            assert second.poll() is None
            begun = [row for row in attempts(url_of(file), "tiny") if row[-1] is not None]
            first.send_signal(signal.SIGCONT)
            code, output = ended(first)
            assert code == 1, output
            assert output.count("another process has taken over this sweep; this one stops") == 1
            assert "Traceback" not in output
            code, output = ended(second)
            assert code == 0, output
    # The second driver closed what the first had begun, and the first did not touch it again.
    assert attempts(url_of(file), "tiny")[: len(begun)] == begun
    assert rows(url_of(file), "tiny") == undisturbed_rows(tmp_path / "undisturbed", **settings)


def test_a_second_driver_is_refused_and_the_first_does_not_mind(tmp_path: Path) -> None:
    file = lasting_sweep(tmp_path / "sweep")
    with driver(file, lease=4) as first:
        wait_until(lambda: (file.parent / "results.db").exists(), "the first has begun")
        wait_until(lambda: _lease(file), "the first has its lease")
        with driver(file, lease=4) as second:
            code, output = ended(second)
        assert code == 1, output
        assert f"being driven by {_lease(file)}" in output
        assert "Traceback" not in output
        assert str(first.pid) in _lease(file)
        code, output = ended(first)
    assert code == 0, output
    assert states(file) == ["complete"] * 6
    assert {attempt for _, attempt, *_ in attempts(url_of(file), "tiny")} == {1}


def _lease(file: Path) -> str:
    return str(_first(file, "select holder from leases") or "")


def _open_attempts(file: Path) -> int:
    return int(_first(file, "select count(*) from attempts where ended_at is null") or 0)


def _first(file: Path, query: str) -> object:
    """Returns the first value; None while there are no tables."""
    try:
        with sqlite3.connect(file.parent / "results.db") as connection:
            found = connection.execute(query).fetchone()
    except sqlite3.OperationalError:
        return None
    return found[0] if found else None
