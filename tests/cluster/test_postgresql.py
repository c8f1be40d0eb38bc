"""Tests two sweeps at once on one PostgreSQL server that is restarted meanwhile."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from tests.cluster.conftest import LASTING
from tests.cluster.drivers import driver, ended, lasting_sweep, wait_until
from tests.cluster.nodes import Cluster
from tests.cluster.postgres import Server, postgres_server
from tests.cluster.rows import complete, rows

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("nodes")]

TRIALS = 5
"""Fewer than the undisturbed sweep has. Trials of equal number are equal, because the sampler draws by number."""


@pytest.fixture
def server() -> Iterator[Server]:
    with (
        tempfile.TemporaryDirectory(prefix="srsweep-postgres-") as folder,
        postgres_server(Path(folder)) as running,
    ):
        yield running


def test_two_sweeps_lose_no_row_when_the_server_is_restarted(
    server: Server, tmp_path: Path, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    url = server.url("sweeps")
    settings: dict[str, Any] = {
        "search": {"sampler": "random", "trials": TRIALS},
        "train": LASTING,
        "resources": {"cpu": 1, "concurrent": 1},
    }
    through_ray = lasting_sweep(tmp_path / "ray", name="ray", **settings)
    local = lasting_sweep(tmp_path / "local", name="local", **settings)
    with Cluster() as cluster:
        cluster.add_node()
        with driver(through_ray, ray=cluster.address, url=url) as a:
            # Ray's driver starts slowly: the local one would end before it begins.
            wait_until(lambda: complete(url, "ray"), "ray has a complete trial")
            with driver(local, url=url) as b:
                _restart_under(server, url, (a, b))
    expected = {
        kind: [row for row in found if row[0] < TRIALS] for kind, found in undisturbed.items()
    }
    assert len(expected["trials"]) == TRIALS
    assert rows(url, "ray") == expected
    assert rows(url, "local") == expected


def _restart_under(server: Server, url: str, drivers: tuple[subprocess.Popen[str], ...]) -> None:
    """Restarts the server twice while both sweeps run, and waits for their end."""
    wait_until(lambda: complete(url, "local"), "local has a complete trial")
    assert max(complete(url, "ray"), complete(url, "local")) < TRIALS, "too late to disturb"
    server.restart("fast", pause=2)
    server.restart("immediate", pause=0)
    for process in drivers:
        code, output = ended(process)
        assert code == 0, output
