"""Empty databases, and one table of translations for all exports."""

import pytest

from tests.stored import Database
from tests.translations import one_table_of_translations

__all__ = ["fruitless", "one_table_of_translations"]


@pytest.fixture(params=["no trial", "all failed"])
def fruitless(request: pytest.FixtureRequest, database: Database) -> Database:
    sweep_id = database.sweep("small")
    if request.param == "all failed":
        for number in range(2):
            database.trial(sweep_id, number, None, 1e4, 1e9, state="failed", error="broke")
    return database
