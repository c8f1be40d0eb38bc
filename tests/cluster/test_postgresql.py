"""Two sweeps at once into one PostgreSQL that is restarted meanwhile."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from tests.cluster.drivers import TRAIN, driver, ended, lasting_sweep, wait_until
from tests.cluster.nodes import Cluster
from tests.cluster.postgres import Server, postgres_server
from tests.cluster.rows import complete, rows

# One after the other: each has machines enough of its own.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]


@pytest.fixture
def server() -> Iterator[Server]:
    with (
        tempfile.TemporaryDirectory(prefix="srsweep-postgres-") as folder,
        postgres_server(Path(folder)) as running,
    ):
        yield running


def test_two_sweeps_lose_no_row_when_the_server_is_restarted(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("sweeps")
    settings: dict[str, Any] = {
        "search": {"sampler": "random", "trials": 5},
        "train": {**TRAIN, "steps": 600},
        "resources": {"cpu": 1, "concurrent": 1},
    }
    through_ray = lasting_sweep(tmp_path / "ray", name="ray", **settings)
    local = lasting_sweep(tmp_path / "local", name="local", **settings)
    with Cluster() as cluster:
        cluster.add_node()
        with driver(through_ray, ray=cluster.address, url=url) as a, driver(local, url=url) as b:
            for name in ("ray", "local"):
                wait_until(lambda name=name: complete(url, name), f"{name} has a complete trial")
            assert max(complete(url, "ray"), complete(url, "local")) < 5, "too late to disturb"
            server.restart("fast", pause=2)
            server.restart("immediate", pause=0)
            for process in (a, b):
                code, output = ended(process)
                assert code == 0, output
    alone = lasting_sweep(tmp_path / "alone", name="alone", **settings)
    with driver(alone) as process:
        code, output = ended(process)
    assert code == 0, output
    expected = rows(f"sqlite:///{alone.parent / 'results.db'}", "alone")
    assert rows(url, "ray") == expected
    assert rows(url, "local") == expected
