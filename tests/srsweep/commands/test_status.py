"""`srsweep status` without a name: all sweeps, how many of their trials are in which state."""

import json

from click.testing import CliRunner

from srsweep.cli import main
from tests.stored import Database


def status(database: Database, *words: str) -> str:
    result = CliRunner().invoke(main, ["status", "--db", database.url, *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_of_sweeps_as_json_has_times_as_text(small: Database) -> None:
    (row,) = json.loads(status(small, "--json"))
    assert {n: row[n] for n in ("name", "complete", "stopped", "failed")} == {
        "name": "small",
        "complete": 4,
        "stopped": 1,
        "failed": 1,
    }
    assert len(row["created_at"]) == len("2026-01-01 00:00:00")


def test_what_a_sweep_has_not_is_no_number(small: Database) -> None:
    small.store.open_sweep("bare", 4, {})
    _, first, bare = status(small, "--csv").splitlines()
    assert first.endswith(",4,1,1")
    assert bare.startswith("bare,4,,")
    assert bare.endswith(",0,0,0")


def test_a_database_without_sweeps_is_an_empty_list(database: Database) -> None:
    assert json.loads(status(database, "--json")) == []
