"""Tests the command that serves the dashboard: it says an address that answers, or why there is none."""

import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from srsweep.cli import main
from tests.stored import Database

dash = pytest.importorskip("dash", reason="needs Dash: pip install srsweep[dashboard]")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


def command(url: str, port: int) -> list[str]:
    return ["dashboard", "--db", url, "--port", str(port)]


def test_the_command_announces_an_address_that_answers(two_sweeps: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shown = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "srsweep", *command(two_sweeps.url, port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{shown} (stop with Ctrl-C)\n"
        with urlopen(shown) as answer:
            assert "srsweep" in answer.read().decode()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("wrong", ["port", "database"])
def test_what_hinders_the_dashboard_is_said_before_any_address(
    two_sweeps: Database, tmp_path: Path, wrong: str
) -> None:
    url = two_sweeps.url if wrong == "port" else f"sqlite:///{tmp_path / 'none.db'}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(main, command(url, port))
    assert done.exit_code == 2
    assert done.stdout == ""
    said = "the dashboard cannot listen on" if wrong == "port" else "there is no database"
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
