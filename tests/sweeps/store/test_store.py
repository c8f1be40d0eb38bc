"""Tests the store. It guarantees the same on SQLite in memory, an SQLite file and PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from sweeps.records import Outcome
from sweeps.store import lease, schema
from sweeps.store.store import Store, StoreError
from tests.cluster.postgres import Server
from tests.sweeps.store.sample import SETTINGS, add, psnr, some_architecture


def test_a_trial_comes_back_with_its_knobs_costs_and_scores(store: Store) -> None:
    sweep = store.open_sweep("a", 2, SETTINGS)
    trial = add(store, sweep)
    attempt = store.begin_attempt(trial, 4)
    assert store.record(trial, attempt, [psnr(2), psnr(4, 31.5)])
    store.end_attempt(trial, attempt, Outcome(step=4), "complete")
    (row,) = store.trials(sweep)
    assert (row.state, row.attempts, row.errors) == ("complete", 1, 0)
    assert row.knobs == some_architecture().knobs
    assert {(m.name, m.step): m.value for m in row.measurements} == {
        ("params", 0): 1000.0,
        ("psnr_y", 2): 30.0,
        ("psnr_y", 4): 31.5,
    }


def test_a_number_that_is_stored_stays(store: Store) -> None:
    trial = add(store, store.open_sweep("a", 2, SETTINGS))
    attempt = store.begin_attempt(trial, 4)
    store.record(trial, attempt, [psnr(2, 30.0)])
    store.record(trial, attempt, [psnr(2, 99.0), psnr(4, 31.0)])
    (row,) = store.trials(1)
    assert [m.value for m in row.measurements if m.name == "psnr_y"] == [30.0, 31.0]


def test_an_attempt_that_was_given_up_can_write_nothing(store: Store) -> None:
    sweep = store.open_sweep("a", 2, SETTINGS)
    trial = add(store, sweep)
    old = store.begin_attempt(trial, 4)
    new = store.begin_attempt(trial, 4)
    assert not store.record(trial, old, [psnr(4, 99.0)])
    store.end_attempt(trial, old, Outcome(step=4), "complete")
    (row,) = store.trials(sweep)
    assert row.state == "running"
    assert store.record(trial, new, [psnr(4, 31.0)])


def test_other_settings_under_the_same_name_are_told_by_their_path(store: Store) -> None:
    store.open_sweep("a", 2, SETTINGS)
    with pytest.raises(StoreError, match=r"train\.steps: 4 -> 5"):
        store.open_sweep("a", 2, {**SETTINGS, "train": {"steps": 5}})


def test_drivers_that_meet_an_empty_database_at_once_make_its_tables_once(url: str) -> None:
    if ":memory:" in url:
        pytest.skip("one connection has no rivals")
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: Store(url), range(6)))
    names = [f"sweep-{i}" for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda s, name: s.open_sweep(name, 2, SETTINGS), stores, names))
    assert sorted(stores[0].sweep_names()) == names
    for store in stores:
        store.close()


def test_tables_whose_maker_died_half_way_are_completed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    engine = create_engine(url)
    schema.Sweep.__table__.create(engine)  # type: ignore[attr-defined]
    engine.dispose()
    assert Store(url).sweep_names() == []


@pytest.mark.parametrize(
    "statements",
    [
        ("create table accounts (id int)",),
        ("create table sweeps (id int)", "create table a (id int)"),
    ],
)
def test_a_database_of_others_is_left_alone(tmp_path: Path, statements: tuple[str, ...]) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
    with pytest.raises(StoreError, match=r"holds other tables.*of its own"):
        Store(url)


@pytest.mark.parametrize(
    "url", ["nonsense", "nosuchdatabase://x/y", "sqlite:////no/such/folder/a.db"]
)
def test_an_url_that_cannot_be_opened_is_told_in_one_line(url: str) -> None:
    with pytest.raises(StoreError, match=r"^storage: [^\n]*$"):
        Store(url)


class LostAcknowledgement:
    """Cuts the connection right after a commit has succeeded, `times` times."""

    def __init__(self, store: Store, times: int = 1) -> None:
        self.left, self.engine = times, store.engine
        event.listen(store.engine, "commit", self)

    def __call__(self, connection: object) -> None:
        if self.left:
            self.left -= 1
            connection.connection.commit()  # type: ignore[attr-defined]
            cause = Exception("server closed the connection unexpectedly")
            raise OperationalError("commit", None, cause)

    def end(self) -> None:
        event.remove(self.engine, "commit", self)


def test_every_write_may_lose_the_acknowledgement_of_its_commit(store: Store) -> None:
    """The row is stored, but the driver does not know it. So it repeats each write, and no row may be stored twice."""

    def losing(write: object, *arguments: object, **named: object) -> object:
        cut = LostAcknowledgement(store)
        result = write(*arguments, **named)  # type: ignore[operator]
        assert cut.left == 0
        cut.end()
        return result

    sweep = losing(store.open_sweep, "a", 2, SETTINGS)
    assert isinstance(sweep, int)
    token = losing(store.acquire_lease, sweep, "me")
    losing(lease.renew, store.database, sweep, token, 30)
    life = {"text": "x", "host": "h", "git_commit": "", "git_dirty": False, "versions": {}}
    losing(store.add_life, sweep, **life)
    losing(store.set_fact, sweep, "fact", "1")
    named = {"number": 0, "architecture": some_architecture(), "seed": 0, "costs": {"params": 1.0}}
    trial = losing(store.add_trial, sweep, **named)
    assert isinstance(trial, int)
    assert losing(store.begin_attempt, trial, 4) == 1
    assert losing(store.record, trial, 1, [psnr(4)])
    losing(store.end_attempt, trial, 1, Outcome(step=4), "complete")
    losing(store.set_state, trial, "complete")
    losing(store.release_lease, sweep, token)
    (row,) = store.trials(sweep)
    assert (row.state, row.attempts, len(row.measurements)) == ("complete", 1, 2)
    counts = {}
    with store.engine.connect() as connection:
        for table in ("sweeps", "lives", "sweep_facts", "trials", "attempts", "leases"):
            counts[table] = connection.scalar(text(f"select count(*) from {table}"))
    assert set(counts.values()) == {1}, counts


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_write_survives_a_restart_of_the_server(server: Server, mode: str) -> None:
    store = Store(server.url(f"restart{mode}"), retry_seconds=60)
    sweep = store.open_sweep("a", 2, SETTINGS)
    server.stop(mode)
    start = threading.Timer(1.5, server.start)
    start.start()
    trial = add(store, sweep)
    start.join()
    server.restart(mode, 0.0)
    assert store.begin_attempt(trial, 4) == 1
    assert [row.number for row in store.trials(sweep)] == [0]
    store.close()


def test_a_write_survives_a_crash_of_the_server(server: Server) -> None:
    store = Store(server.url("crash"), retry_seconds=60)
    sweep = store.open_sweep("a", 2, SETTINGS)
    for _ in range(5):
        # One backend killed makes the server recover, all connections lost.
        with store.engine.connect() as connection:
            process = connection.scalar(text("select pg_backend_pid()"))
        assert process is not None
        os.kill(process, signal.SIGKILL)
        store.set_fact(sweep, str(process), "written")
    assert len(store.facts(sweep)) == 5
    store.close()


def test_a_server_that_stays_away_is_told_in_one_line(server: Server) -> None:
    store = Store(server.url("away"), retry_seconds=1)
    sweep = store.open_sweep("a", 2, SETTINGS)
    server.stop()
    try:
        with pytest.raises(StoreError, match=r"^storage: postgresql[^\n]*refused[^\n]*$"):
            add(store, sweep)
    finally:
        server.start()
    store.close()


@pytest.mark.slow
def test_two_processes_write_two_sweeps_into_one_file(tmp_path: Path) -> None:
    script = (
        "import sys; from tests.sweeps.store.test_store import *\n"
        "store = Store(sys.argv[1]); sweep = store.open_sweep(sys.argv[2], 2, SETTINGS)\n"
        "for number in range(15):\n"
        "    trial = add(store, sweep, number); attempt = store.begin_attempt(trial, 4)\n"
        "    store.record(trial, attempt, [psnr(4)])\n"
        "    store.end_attempt(trial, attempt, Outcome(step=4), 'complete')\n"
    )
    url = f"sqlite:///{tmp_path / 'results.db'}"
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", script, url]
    writers = [
        subprocess.Popen([*command, name], cwd=root, env={**os.environ, "PYTHONPATH": root})
        for name in ("a", "b")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    store = Store(url)
    for sweep in (1, 2):
        assert [row.number for row in store.trials(sweep)] == list(range(15))
