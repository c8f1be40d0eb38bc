"""A PostgreSQL of a test's own: Debian's server on a free port of loopback, run by an account without rights."""

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
"""PostgreSQL refuses to run as root; Debian's package makes this account."""


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
        """The URL of a database, made new."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "srsweep", database)
        return f"postgresql+psycopg://srsweep@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k '' -F"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self.data, "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """fast: connections are cut; immediate: as if the machine had lost its power."""
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
        # Output into a file: the server inherits it and would keep a pipe open.
        with (self.folder / "out").open("w") as out:
            done = subprocess.run(
                command, stdout=out, stderr=out, check=False, cwd=self.folder, timeout=120
            )
        assert done.returncode == 0, (self.folder / "out").read_text()


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """A running server, stopped at the end; the test is skipped where none can be installed."""
    programs = _programs()
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    server = Server(programs, folder)
    try:
        yield server
    finally:
        server.stop("immediate")


def _programs() -> Path:
    """Where Debian puts initdb and pg_ctl."""
    pytest.importorskip("psycopg", reason="needs srsweep[postgresql]")
    found = _newest()
    if found is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    return found


def _newest() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None
