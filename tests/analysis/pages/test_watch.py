import pytest

from analysis.pages.watch import Watch
from tests.stored import Database


@pytest.fixture
def two(small: Database) -> Database:
    small.trial(small.sweep("newer"), 0, 26.0, 10_000, 1e9)
    return small


def test_a_sweep_is_read_ahead(two: Database) -> None:
    watch = Watch(two.url)
    watch.read_ahead("small").join()
    assert list(watch.readings) == ["small"]
    assert watch.last("small") is watch.readings["small"]


@pytest.mark.parametrize("asked", [None, "no such sweep"])
def test_the_newest_sweep_is_read_ahead_if_the_address_names_none(
    two: Database, asked: str | None
) -> None:
    watch = Watch(two.url)
    watch.read_ahead(asked).join()
    assert list(watch.readings) == ["newer"]


def test_the_page_begins_to_read_the_sweep_in_its_address(
    two: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dash")
    from analysis.pages.dashboard import make_app

    asked: list[str | None] = []
    monkeypatch.setattr(Watch, "read_ahead", lambda _watch, sweep: asked.append(sweep))
    client = make_app(two.url).server.test_client()
    for address in ("/?sweep=small", "/_dash-layout", "/"):
        assert client.get(address, base_url="http://127.0.0.1").status_code == 200
    assert asked == [None, "small", None], "at the start of the server, and with each page"


def test_a_database_that_cannot_be_read_leaves_the_message_to_the_page(database: Database) -> None:
    database.sweep("small")
    watch = Watch(database.url)
    watch.url = "sqlite:////no/such/folder/results.db"
    watch.read_ahead("small").join()  # an exception in a thread would fail this test
    assert watch.readings == {}
