"""Databases without results."""

import pytest

from tests.stored import Database


@pytest.fixture(params=["no trial", "all failed"])
def fruitless(request: pytest.FixtureRequest, database: Database) -> Database:
    sweep_id = database.sweep("small")
    if request.param == "all failed":
        for number in range(2):
            database.trial(sweep_id, number, None, 1e4, 1e9, state="failed", error="broke")
    return database
