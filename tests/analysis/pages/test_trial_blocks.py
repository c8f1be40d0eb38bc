"""Tests the rows of the table of all trials in every order and with every filter."""

from collections.abc import Iterator
from typing import Any

import pytest

from analysis.pages.live import Live, load_live
from analysis.pages.trial_blocks import BLOCK, column_definitions, table_block, table_columns
from sweeps.store.notes import save_note
from sweeps.store.store import Store
from tests.stored import Database


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    database = Database(tmp_path_factory.mktemp("trials") / "results.db")
    sweep_id = database.sweep("first")
    for number, psnr in enumerate((27.0, 28.5, 26.25, 28.0)):
        database.trial(sweep_id, number, psnr, 20_000 * (number + 1), 1e9)
    database.trial(sweep_id, 4, 25.0, 9e4, 1e9, state="running")
    database.trial(sweep_id, 5, None, 9e4, 1e9, state="failed", error="no")
    yield load_live(database.url, "first")
    database.store.close()


def numbers(live: Live, search: object = "", **asked: Any) -> list[int]:
    columns = table_columns(live)
    field = {name: f"c{index}" for index, name in enumerate(columns)}
    model = {field[name]: {"filter": text} for name, text in asked.pop("filters", {}).items()}
    order = [{"colId": field[name], "sort": way} for name, way in asked.pop("order", {}).items()]
    request = {"startRow": 0, "endRow": 100, "filterModel": model, "sortModel": order} | asked
    block = table_block(live, request, search)
    assert block["rowCount"] >= len(block["rowData"])
    return [int(row[field["number"]]) for row in block["rowData"]]


def test_trials_of_every_state_are_rows(live: Live) -> None:
    assert numbers(live) == [0, 1, 2, 3, 4, 5]
    row = table_block(live, {"startRow": 5, "endRow": 6})["rowData"][0]
    assert row["key"] == "first#5"
    assert {"failed", "90K", "-"} <= set(row.values())
    assert len(column_definitions(live)) == len(row) - 1


def test_rows_are_sorted_and_what_is_missing_comes_last(live: Live) -> None:
    assert numbers(live, order={"psnr_y": "desc"}) == [1, 3, 0, 2, 4, 5]
    assert numbers(live, order={"psnr_y": "asc"}) == [4, 2, 0, 3, 1, 5]
    assert numbers(live, order={"state": "desc", "psnr_y": "desc"}) == [4, 5, 1, 3, 0, 2]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"params": "<60K"}, [0, 1]),
        ({"params": "<= 60K"}, [0, 1, 2]),
        ({"psnr_y": "26..28"}, [0, 2, 3]),
        ({"psnr_y": ">=28.5"}, [1]),
        ({"psnr_y": "28"}, [1, 3]),
        ({"state": "FAIL"}, [5]),
        ({"state": "complete", "params": ">50K"}, [2, 3]),
        ({"psnr_y": "<"}, []),
        ({"label": "n_feats=3"}, [2]),
        ({"label": "("}, []),
    ],
)
def test_filters_compare_numbers_and_find_texts(
    live: Live, filters: dict[str, str], kept: list[int]
) -> None:
    assert numbers(live, filters=filters) == kept


def test_a_star_and_a_note_are_columns(live: Live) -> None:
    store = Store(live.url)
    save_note(store, "first", 2, is_starred=True, text="sharp edges", seen="")
    store.close()
    assert numbers(live, filters={"star": "★"}) == [2]
    assert numbers(live, "sharp") == [2]
    assert numbers(live, order={"note": "desc"})[0] == 2


def test_a_search_finds_numbers_and_words(live: Live) -> None:
    assert numbers(live, "#3") == [3]
    assert numbers(live, "slwsr run") == [4]
    assert numbers(live, "nothing like that") == []


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"startRow": "x", "endRow": -4},
        {"startRow": 0, "endRow": 10**12, "sortModel": "c1", "filterModel": [1]},
        {"sortModel": [{"colId": "id; drop table"}, 3], "filterModel": {"c99": {"filter": "x"}}},
        {"filterModel": {"c1": {"filter": {"a": 1}}, "c2": None}},
    ],
)
def test_a_request_that_does_not_fit_the_table_is_read_as_far_as_it_fits(
    live: Live, request_: dict[str, Any]
) -> None:
    block = table_block(live, request_, search={"not": "text"})
    assert block["rowCount"] == 6
    assert len(block["rowData"]) <= BLOCK
