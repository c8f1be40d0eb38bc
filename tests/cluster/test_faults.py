"""What goes wrong in trials: they hang, their process is killed, they fail; and drivers that come twice."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from tests.cluster.drivers import TRAIN, driver, ended, lasting_sweep, wait_until
from tests.cluster.nodes import Cluster, Node
from tests.cluster.rows import attempts, complete, rows

# One after the other: each has machines enough of its own.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]


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
    """A checkpoint that never comes to an end, as on a network disk that has gone away."""
    file = lasting_sweep(
        tmp_path / "sweep",
        resources={"cpu": 1, "hours_per_attempt": 9 / 3600, "concurrent": 2},
        search={"sampler": "random", "trials": 3},
        train={**TRAIN, "steps": 20, "evaluate_every": 10},
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
    """SIGKILL is what the kernel sends where memory is exhausted."""
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


def test_a_trial_that_always_fails_does_not_stop_the_others(
    cluster: Cluster, tmp_path: Path
) -> None:
    file = lasting_sweep(tmp_path / "sweep", search={"sampler": "random", "trials": 3})
    trials = file.parent / "runs" / "tiny"
    trials.mkdir(parents=True)
    (trials / "1").write_text("no folder")
    with driver(file, ray=cluster.address) as process:
        code, output = ended(process)
    assert code == 0, output
    assert states(file) == ["complete", "failed", "complete"]
    errors = [error for number, _, _, error, _ in attempts(url_of(file), "tiny") if number == 1]
    assert len(errors) == 2
    assert all("cannot be written" in error for error in errors)


def test_a_sweep_of_which_too_many_trials_fail_ends_with_one_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    file = lasting_sweep(
        tmp_path / "sweep", search={"sampler": "random", "trials": 9, "max_attempts": 1}
    )
    (file.parent / "runs").write_text("no folder")
    with driver(file, ray=cluster.address) as process:
        code, output = ended(process)
    assert code == 1, output
    assert "of 5 trials have failed, more than max_failed_share 0.5" in output
    assert "Traceback" not in output


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
    try:
        with sqlite3.connect(file.parent / "results.db") as connection:
            found = connection.execute("select holder from leases").fetchone()
    except sqlite3.OperationalError:
        return ""
    return found[0] if found else ""
