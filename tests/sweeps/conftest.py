"""A sweep that is open and that the test drives itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.engine.sweep import Sweep
from sweeps.store.store import Store
from tests.sweeps.sweeps_for_tests import small_config


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    config = small_config(tmp_path)
    store = Store(config.storage)
    opened = Sweep(config, store, holder="test")
    yield opened
    opened.close()
    store.close()
