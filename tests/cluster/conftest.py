"""The undisturbed sweep with which tests compare those that they disturb."""

from typing import Any

import pytest

from tests.cluster.drivers import TRAIN, undisturbed_rows

TRIALS = 7
LASTING = {**TRAIN, "steps": 400}
"""Training settings with which a trial lasts some seconds: long enough for a node to join meanwhile."""


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of a sweep of TRIALS trials that are trained by LASTING."""
    search = {"sampler": "random", "trials": TRIALS}
    return undisturbed_rows(tmp_path_factory.mktemp("undisturbed"), search=search, train=LASTING)
