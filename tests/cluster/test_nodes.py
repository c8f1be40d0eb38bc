"""Tests a sweep on two nodes, of which one joins late and one is lost: no trial is lost or doubled."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from tests.cluster.conftest import LASTING, TRIALS
from tests.cluster.drivers import driver, ended, lasting_sweep, wait_until
from tests.cluster.nodes import Cluster
from tests.cluster.rows import attempts, complete, rows

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("nodes")]


def test_a_sweep_uses_nodes_that_join_and_come_back_and_survives_one_that_is_lost(
    tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    settings = {
        "search": {"sampler": "random", "trials": TRIALS, "max_attempts": 1},
        "train": LASTING,
    }
    disturbed = lasting_sweep(tmp_path / "disturbed", **settings)
    url = f"sqlite:///{disturbed.parent / 'results.db'}"
    with Cluster() as cluster:
        first = cluster.add_node()
        with driver(disturbed, ray=cluster.address) as process:
            wait_until(lambda: first.workers, "a trial runs on the first node")
            second = cluster.add_node()
            wait_until(lambda: second.workers, "the node that joined is used")
            wait_until(lambda: complete(url, "tiny") >= 2, "two trials are complete")
            wait_until(lambda: first.workers and second.workers, "trials run on both nodes")
            first.kill_raylet()
            wait_until(lambda: not first.workers and second.workers, "the second goes on alone")
            back = cluster.add_node()
            wait_until(lambda: back.workers and second.workers, "they run on both nodes again")
            code, output = ended(process)
    assert code == 0, output
    assert rows(url, "tiny") == undisturbed
    # A lost node is not the trial's fault: it began again, although one error would have been its last.
    begun = attempts(url, "tiny")
    assert {attempt for _, attempt, *_ in begun} == {1, 2}
    assert not any(error for *_, error, _ in begun)
    assert all(ended_at is not None for *_, ended_at in begun)
