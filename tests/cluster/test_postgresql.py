"""Two sweeps at once into one PostgreSQL that is restarted meanwhile."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from tests.cluster.drivers import driver, ended, lasting_sweep, wait_until
from tests.cluster.nodes import Cluster
from tests.cluster.postgres import Server, postgres_server
from tests.cluster.rows import complete, rows

pytestmark = pytest.mark.slow


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
    search = {"sampler": "random", "trials": 5}
    through_ray = lasting_sweep(tmp_path / "ray", name="ray", search=search)
    local = lasting_sweep(tmp_path / "local", name="local", search=search)
    with Cluster() as cluster:
        cluster.add_node()
        with driver(through_ray, ray=cluster.address, url=url) as a, driver(local, url=url) as b:
            for name in ("ray", "local"):
                wait_until(lambda name=name: complete(url, name), f"{name} has a complete trial")
            server.restart("fast", pause=2)
            server.restart("immediate", pause=0)
            for process in (a, b):
                code, output = ended(process)
                assert code == 0, output
    for file in (through_ray, local):
        name = file.parent.name
        alone = lasting_sweep(tmp_path / f"{name}-alone", name=name, search=search)
        with driver(alone) as process:
            code, output = ended(process)
        assert code == 0, output
        assert rows(url, name) == rows(f"sqlite:///{alone.parent / 'results.db'}", name)
