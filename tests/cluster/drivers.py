"""Runs drivers in processes of their own, and makes sweeps for them that last some seconds."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeps.config.sweep_config import read_config
from sweeps.run import run_sweep
from tests.cluster.nodes import ENVIRONMENT
from tests.cluster.rows import rows
from tests.sweeps.sweeps_for_tests import sweep_file

ROOT = Path(__file__).parents[2]

TRAIN = {
    "steps": 200,
    "patch_size": 8,
    "batch_size": 2,
    "evaluate_every": 50,
    "precision": "float32",
}


def lasting_sweep(folder: Path, **changes: Any) -> Path:
    """Returns a sweep file whose trials take some seconds. The sweep writes only to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "train": TRAIN,
        "resources": {"cpu": 1},
        "search": {"sampler": "random", "trials": 6},
    }
    return sweep_file(folder, **{**settings, **changes})


def undisturbed_rows(folder: Path, **changes: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Runs a lasting sweep in this process, one trial at a time, and returns its rows."""
    file = lasting_sweep(folder, **{**changes, "resources": {"cpu": 1, "concurrent": 1}})
    config = read_config(file)
    run_sweep(config)
    return rows(config.storage, config.name)


@contextmanager
def driver(
    file: Path, *, ray: str | None = None, lease: float = 3.0, url: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Yields a driver's process, and kills it at the end if it still runs."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.cluster.drive", str(file)]
    command += ["--lease", str(lease)]
    if ray is not None:
        command += ["--ray", ray]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    environment.pop("SRSWEEP_DB", None)
    if url is not None:
        environment["SRSWEEP_DB"] = url
    log = file.with_suffix(f".{time.monotonic_ns()}.log")
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=out, text=True
        )
    process.log = log  # type: ignore[attr-defined]
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def ended(process: subprocess.Popen[str], seconds: float = 600) -> tuple[int, str]:
    """Waits until a driver ends and returns its exit code and output.

    A driver that does not end in time is aborted, so that its output says where each of its threads waited.
    """
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        code = process.wait()
    text = process.log.read_text()  # type: ignore[attr-defined]
    return code, f"exit code {code}\n{text}"


def wait_until(true: Callable[[], object], what: str, seconds: float = 400) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"waited {seconds} s in vain until {what}"
        time.sleep(0.25)  # to look for workers among all processes takes 10 ms or more
