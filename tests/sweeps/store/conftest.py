"""The databases that tests of the store run on: SQLite in memory, an SQLite file, and a PostgreSQL of their own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.store.store import Store
from tests.cluster.postgres import Server, postgres_server
from tests.sweeps.store.older import write_version_1


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not under pytest's own folder, which other accounts may not enter.
    with (
        tempfile.TemporaryDirectory(prefix="srsweep-postgres-") as folder,
        postgres_server(Path(folder)) as running,
    ):
        yield running


@pytest.fixture(params=["memory", "file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "sqlite:///:memory:"
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'results.db'}"
    running: Server = request.getfixturevalue("server")
    return running.url("".join(c for c in request.node.name if c.isalnum())[:50].lower())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url, retry_seconds=5)
    yield opened
    opened.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database file that a driver of version 1 wrote."""
    path = tmp_path / "old.db"
    write_version_1(path)
    return path
