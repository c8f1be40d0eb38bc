"""Runs the dashboard's queries on PostgreSQL. The answers equal those of SQLite."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.pages.live import VIEWS, live_cards, live_pareto, load_live, sentence
from sweeps.store.store import Store
from tests.cluster.postgres import postgres_server
from tests.stored import Database

pytestmark = pytest.mark.slow


class OnServer(Database):
    """The same database on a server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store(url)


@pytest.fixture
def elsewhere() -> Iterator[Database]:
    with (
        tempfile.TemporaryDirectory(prefix="srsweep-postgres-") as folder,
        postgres_server(Path(folder)) as server,
    ):
        database = OnServer(server.url("sweeps"))
        yield database
        database.store.close()


def test_both_databases_give_the_same_figures_also_when_there_is_news(
    database: Database, elsewhere: Database
) -> None:
    seen = {}
    for own in (database, elsewhere):
        sweep_id = own.sweep("small")
        for number in range(10):
            values = {"params": 1e4 * (number + 1), "multadds": 1e9 * (number + 1)}
            sets = {"Set5": 30.0 + number} if number % 3 == 0 else {}
            own.trial(sweep_id, number, 26 + number % 4, test_sets=sets, **values)
        before = load_live(own.url, "small")
        own.trial(sweep_id, 10, 31.0, 1e4, 1e9)
        own.trial(sweep_id, 11, None, 1e4, 1e9, state="failed", error="no", seed=1)
        live = load_live(own.url, "small", before)
        figures = [live_pareto(live, "params").figure]
        for view in VIEWS:
            figures += [card.figure for card in live_cards(live, view)[0]]
        seen[own.url] = (figures, sentence(live))
    mine, theirs = seen.values()
    assert mine == theirs
