"""Tests `ray submit` of the shipped sweep file with a real sshd, head node and driver, which is killed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("submit")]


def test_ray_submit_runs_resumes_and_tells_a_wrong_file() -> None:
    pytest.importorskip("aiohttp", reason="needs Ray's job server: pip install 'ray[default]'")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("needs root on Debian, for sshd and for namespaces")
    done = subprocess.run(
        ["bash", str(Path(__file__).with_name("submit.sh"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
        env={**os.environ, "VENV": sys.prefix},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("passed")
