"""Fixtures that all tests share: the shared images, a small stored database, a still machine, and one thread each."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from sweeps.measure import latency
from sweeps.measure.load import Load, Meter
from tests import share
from tests.stored import Database

SHARED = Path(__file__).parents[2] / "shared"

torch.set_num_threads(1)

# The modules of torch, pandas and Ray, and thousands of tests, make half a million objects that stay. By default, Python
# goes through them again and again, which takes 4 to 8 % of the processor time.
gc.set_threshold(20_000, 10, 10)

# While one process of the tests measures a time, the others would pause, and it would wait for those that hang on purpose.
os.environ["SRSWEEP_LOCKS"] = f"{tempfile.gettempdir()}/srsweep-tests-{os.getuid()}-{os.getpid()}"
atexit.register(shutil.rmtree, os.environ["SRSWEEP_LOCKS"], ignore_errors=True)

# The same examples at every run, and few enough for seconds; no example depends on how fast a machine is.
hypothesis.settings.register_profile(
    "srsweep", max_examples=30, derandomize=True, deadline=None, database=None
)
hypothesis.settings.load_profile("srsweep")


def pytest_addoption(parser: pytest.Parser) -> None:
    share.add_option(parser)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the share of the slow tests that `--share` names, after -m has left out others.

    Stops where pytest-xdist ignores groups: several clusters at once are too much for a small machine.
    """
    share.deselect(config, items)
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
            raise pytest.UsageError("pytest-xdist ignores xdist_group with this version of pytest")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and upstream checkpoints beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared images and checkpoints in ../shared")
    return SHARED


@pytest.fixture
def still_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every measurement in this process conclude at once, as on a machine that does nothing else."""
    quiet = Load(others=0.0, cores=2, seconds=1.0)
    monkeypatch.setattr(Meter, "load", lambda meter: quiet)
    monkeypatch.setattr(latency, "AGREEMENT", float("inf"))
    monkeypatch.setattr(latency, "ROUND_SECONDS", 0.01)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "results.db")
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "results.db"
    database = Database(path)
    sweep_id = database.sweep("small")
    database.trial(sweep_id, 0, 26.0, 10_000, 1e9)
    database.trial(sweep_id, 1, 27.0, 100_000, 5e9)
    database.trial(sweep_id, 2, 27.5, 500_000, 30e9, test_sets={"Set5": 31.0})
    database.trial(sweep_id, 3, 26.5, 200_000, 9e9)
    database.trial(sweep_id, 4, 29.0, 50_000, 2e9, state="stopped")
    error = "Traceback:\n  train.py\nValueError: loss: became <NaN> at step 3"
    database.trial(sweep_id, 5, None, 60_000, 3e9, state="failed", error=error)
    database.store.close()
    return path


@pytest.fixture
def small(_small: Path, tmp_path: Path) -> Iterator[Database]:
    """Six trials: 0, 1, 2 on the front, 3 dominated, 4 stopped early, 5 failed.

    Each test gets a copy of one file, because writing the rows takes thirty times as long.
    """
    made = Database(Path(shutil.copy(_small, tmp_path / "results.db")))
    yield made
    made.store.close()
