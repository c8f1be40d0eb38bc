"""A password of a database is shown nowhere and stored nowhere."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from analysis.pages.report import report_page
from sweeps.advice import STORAGE_VARIABLE
from sweeps.config.sweep_config import read_config
from sweeps.records import Outcome
from sweeps.store.store import Store
from sweeps.submit import text_changes
from tests.srsweep.calls import invoke, mistake
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file

RAW = "postgresql://bob:S3cr@tPW@h/x"
ENCODED = "postgresql://bob:S3cr%40tPW@h/x"
QUERY = "postgresql://h/x?user=bob&password=S3cr%40tPW&sslpassword=tPW"
HIDDEN = "postgresql://bob:***@h/x"


def safe(text: str) -> str:
    text = re.sub(r'id="plotly">[^<]*', "", text)  # random letters
    assert "S3cr" not in text
    assert "tPW" not in text
    return text


def stored_texts(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        rows = [*connection.execute("SELECT text FROM lives")]
        rows += connection.execute("SELECT error FROM attempts")
    return "\n".join(str(row[0]) for row in rows)


@pytest.mark.parametrize("url", [ENCODED, QUERY])
@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",)])
def test_check_shows_the_database_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, url)
    result = invoke("check", sweep_file(tmp_path), *options)
    assert result.exit_code == 0, safe(result.output)
    assert "***" in safe(result.output)


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        (RAW, f"each '@' of the password written as %40, got '{HIDDEN}'"),
        ([RAW], "got a list"),
        (["postgresql", "bob", "S3cr@tPW"], "got a list"),
        ({"url": RAW, "password": "S3cr@tPW"}, "got a mapping"),
        ("postgresql:/bob:S3cr@tPW@h/x", "got 'postgresql:/bob:***@h/x'"),
        ("bob:S3cr@tPW@h/x", "got 'bob:***@h/x'"),
        ("postgresql://bob:S3crtPW", "got 'postgresql://bob:***'"),
    ],
)
def test_a_wrong_url_is_answered_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: object, said: str
) -> None:
    file = sweep_file(tmp_path, storage=storage)
    for command in ("check", "run", "front", "report"):
        assert said in safe(mistake(command, file))
    if isinstance(storage, str):
        monkeypatch.setenv(STORAGE_VARIABLE, storage)
        assert said in safe(mistake("check", sweep_file(tmp_path)))
        for words in (("status",), ("front", "t"), ("merge", storage), ("resume", "t")):
            assert "***" in safe(mistake(*words))


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://bob:S3cr%40tPW@127.0.0.1:1/x?connect_timeout=2"
    shown = "postgresql+psycopg://bob:***@127.0.0.1:1/x"
    assert shown in safe(mistake("status", "--db", url))


def test_what_is_stored_holds_no_password(database: Database, tmp_path: Path) -> None:
    sweep_id = database.sweep("first")
    trial_id = database.trial(sweep_id, 0, 26.0, 1e4, 1e9)
    database.store.add_life(
        sweep_id,
        text=f"name: first\nstorage: {RAW}\ncheckpoints: s3://key:S3cr@bucket/f\n",
        host="box",
        git_commit="",
        git_dirty=False,
        versions={},
    )
    attempt = database.store.begin_attempt(trial_id, 2_000)
    error = f"Traceback (most recent call last):\nOperationalError: cannot reach {RAW}"
    database.store.end_attempt(trial_id, attempt, Outcome(step=1, error=error), "failed")
    texts = safe(stored_texts(tmp_path / "results.db"))
    assert f"storage: {HIDDEN}" in texts
    assert f"cannot reach {HIDDEN}" in texts
    safe(report_page(database.url))
    safe(invoke("status", "first", "--db", database.url, "--json").output)


def test_what_an_earlier_version_stored_is_not_shown(database: Database, tmp_path: Path) -> None:
    sweep_id = database.sweep("first")
    database.trial(sweep_id, 0, None, 1e4, 1e9, state="failed", error="x")
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection, connection:
        connection.execute("UPDATE lives SET text = ?", (f"name: first\nstorage: {RAW}\n",))
        connection.execute("UPDATE attempts SET error = ?", (f"Error: {RAW}",))
    assert HIDDEN in safe(report_page(database.url))
    assert HIDDEN in safe(invoke("status", "first", "--db", database.url, "--csv").output)
    safe(invoke("resume", "first", "--db", database.url).output)
    copy = Store(f"sqlite:///{tmp_path / 'copy.db'}")
    copy.close()
    merged = invoke("merge", tmp_path / "results.db", "--db", f"sqlite:///{tmp_path / 'copy.db'}")
    assert merged.exit_code == 0, merged.output
    assert HIDDEN in safe(stored_texts(tmp_path / "copy.db"))


def test_the_submitted_script_compares_texts_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, f"sqlite:///{tmp_path / 'results.db'}")

    def config(storage: str):  # type: ignore[no-untyped-def]
        return read_config(sweep_file(tmp_path, storage=storage))

    first = config(ENCODED)
    store = Store(os.environ[STORAGE_VARIABLE])
    sweep_id = store.open_sweep(first.name, first.scale, first.comparable)
    life = {"host": "box", "git_commit": "", "git_dirty": False, "versions": {}}
    store.add_life(sweep_id, text=first.text, **life)
    store.close()
    (same,) = text_changes(first)
    assert "text unchanged" in same
    (other,) = text_changes(config("postgresql://bob:S3cr%40tPWnew@h/x"))
    assert "text unchanged" in safe(other)
    (moved,) = text_changes(config("postgresql://bob:S3cr%40tPW@elsewhere/x"))
    assert f"storage: {HIDDEN} -> postgresql://bob:***@elsewhere/x" in safe(moved)
    assert "S3cr" in first.text, "the driver needs the password"
    assert yaml.safe_load(first.text)["storage"] == ENCODED


def test_errors_of_click_hide_what_a_person_typed() -> None:
    for words in (("front", "t", RAW), ("check", "x.yaml", f"--storage={RAW}"), (RAW,)):
        result = invoke(*words)
        assert result.exit_code == 2
        safe(result.output)
    result = invoke("train", "edsr", "--scale", "\x1b[31m", "-o", "x")
    assert result.exit_code == 2
    assert "\x1b" not in result.output
