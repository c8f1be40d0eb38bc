"""Runs a PostgreSQL server for a test: Debian's, on a free port of loopback, under an account without rights."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ACCOUNT = "postgres"
"""Account that Debian's package makes. PostgreSQL refuses to run as root."""


class Server:
    """A server that can be stopped and started under the same URL."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "--no-sync", "--auth=trust", "--username=srsweep", "-D", self.data)
        self.start()

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str) -> str:
        """Creates a database and returns its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "srsweep", database)
        return f"postgresql+psycopg://srsweep@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k '' -F"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self.data, "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stops the server. `fast` cuts connections; `immediate` acts like a power failure."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def restart(self, mode: str, pause: float) -> None:
        self.stop(mode)
        time.sleep(pause)
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            command = [
                "setpriv",
                f"--reuid={ACCOUNT}",
                f"--regid={ACCOUNT}",
                "--clear-groups",
                *command,
            ]
        # Output goes to a file, because the server inherits it and would keep a pipe open.
        with (self.folder / "out").open("w") as out:
            done = subprocess.run(
                command, stdout=out, stderr=out, check=False, cwd=self.folder, timeout=120
            )
        assert done.returncode == 0, (self.folder / "out").read_text()


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """Yields a running server and stops it at the end. Skips the test if PostgreSQL is not installed."""
    programs = _programs()
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    server = Server(programs, folder)
    try:
        yield server
    finally:
        server.stop("immediate")


def _programs() -> Path:
    """Returns the folder of Debian's initdb and pg_ctl."""
    pytest.importorskip("psycopg", reason="needs srsweep[postgresql]")
    found = _newest()
    if found is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    return found


def _newest() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None
