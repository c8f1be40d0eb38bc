"""The database of record: the same promises on memory, file and PostgreSQL."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from searchspace.architecture import Architecture, architecture
from sweeps.records import Measurement, Outcome
from sweeps.store import lease, schema
from sweeps.store.store import Store, StoreError, SweepTaken
from tests.cluster.postgres import Server, postgres_server

SETTINGS = {"scale": 2, "seed": 0, "train": {"steps": 4}}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not under pytest's own folder, which other accounts may not enter.
    with (
        tempfile.TemporaryDirectory(prefix="srsweep-postgres-") as folder,
        postgres_server(Path(folder)) as running,
    ):
        yield running


@pytest.fixture(params=["memory", "file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "sqlite:///:memory:"
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'results.db'}"
    running: Server = request.getfixturevalue("server")
    return running.url("".join(c for c in request.node.name if c.isalnum())[:50].lower())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url, retry_seconds=5)
    yield opened
    opened.close()


def some_architecture(n_feats: int = 8) -> Architecture:
    return architecture("slwsr", {"n_feats": n_feats})


def add(store: Store, sweep: int, number: int = 0) -> int:
    return store.add_trial(
        sweep,
        number=number,
        architecture=some_architecture(8 + number),
        seed=0,
        costs={"params": 1000.0 + number},
    )


def psnr(step: int, value: float = 30.0) -> Measurement:
    return Measurement(step=step, dataset="validation", name="psnr_y", value=value)


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


def test_a_lease_is_held_by_one_until_it_expires(store: Store) -> None:
    sweep = store.open_sweep("a", 2, SETTINGS)
    token = store.acquire_lease(sweep, "first", seconds=0.4)
    with pytest.raises(SweepTaken, match="driven by first"):
        store.acquire_lease(sweep, "second")
    taken = store.acquire_lease(sweep, "second", patient=True)
    with pytest.raises(SweepTaken, match="has taken over"):
        lease.renew(store.database, sweep, token, 30)
    store.release_lease(sweep, token)  # of one who lost it: without effect
    with pytest.raises(SweepTaken):
        store.acquire_lease(sweep, "third")
    store.release_lease(sweep, taken)
    store.acquire_lease(sweep, "third")


def test_a_lease_is_kept_while_its_holder_is_busy_and_no_longer(url: str) -> None:
    if ":memory:" in url:
        pytest.skip("one connection has no rivals")
    first, second = Store(url, retry_seconds=5), Store(url, retry_seconds=5)
    sweep = first.open_sweep("a", 2, SETTINGS)
    first.acquire_lease(sweep, "first", seconds=1.0)
    keeper = first.keep_lease()
    for _ in range(10):  # three leases long
        time.sleep(0.3)
        with pytest.raises(SweepTaken, match="driven by first"):
            second.acquire_lease(sweep, "second", seconds=1.0)
    keeper.check()
    keeper.close()  # as if it had died
    second.acquire_lease(sweep, "second", seconds=1.0, patient=True)
    # One who was suspended and comes back stores nothing.
    with pytest.raises(SweepTaken, match="has taken over"):
        add(first, sweep)
    assert second.trials(sweep) == []
    add(second, sweep)
    for store in (first, second):
        store.close()


def test_the_lease_of_a_driver_that_died_on_this_machine_is_taken_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    take = (
        "import sys; from sweeps.store.store import Store; store = Store(sys.argv[1]); "
        "store.acquire_lease(1, 'first'); print('taken', flush=True); sys.stdin.read()"
    )
    second = Store(url)
    sweep = second.open_sweep("a", 2, SETTINGS)
    assert sweep == 1
    with subprocess.Popen(
        [sys.executable, "-c", take, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"taken\n"
        with pytest.raises(SweepTaken, match="driven by first"):
            second.acquire_lease(sweep, "second")
        first.kill()
    second.acquire_lease(sweep, "second")
    second.close()


def test_of_a_driver_on_another_machine_nothing_is_known_but_its_lease() -> None:
    nobody = 2**22 + 1  # above the largest process number of Linux
    assert lease.is_dead(f"{lease.this_machine()}{nobody:08x}{0:012x}")
    assert not lease.is_dead(f"{lease.this_machine()}{os.getpid():08x}{0:012x}")
    assert not lease.is_dead(f"{0:012x}{nobody:08x}{0:012x}")
    assert not lease.is_dead("0" * 32)


def test_who_loses_the_lease_is_told_by_its_keeper(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    first, second = Store(url), Store(url)
    sweep = first.open_sweep("a", 2, SETTINGS)
    token = first.acquire_lease(sweep, "first", seconds=0.4)
    keeper = first.keep_lease()
    lease.release(second.database, sweep, token)
    second.acquire_lease(sweep, "second")
    time.sleep(0.3)
    with pytest.raises(SweepTaken, match="another driver has taken over"):
        keeper.check()
    keeper.close()
    for store in (first, second):
        store.close()


def test_a_patient_driver_is_refused_as_soon_as_the_other_renews(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    first, second = Store(url), Store(url)
    sweep = first.open_sweep("a", 2, SETTINGS)
    token = first.acquire_lease(sweep, "first", seconds=30)
    renewal = threading.Timer(0.5, lambda: lease.renew(first.database, sweep, token, 30))
    renewal.start()
    with pytest.raises(SweepTaken, match="driven by first"):
        second.acquire_lease(sweep, "second", patient=True)
    renewal.join()


def test_of_drivers_that_come_at_once_one_gets_the_lease(url: str) -> None:
    if ":memory:" in url:
        pytest.skip("one connection has no rivals")
    stores = [Store(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        sweeps = list(pool.map(lambda store: store.open_sweep("a", 2, SETTINGS), stores))
        assert len(set(sweeps)) == 1
        tokens = list(pool.map(lambda store: _try(store, sweeps[0]), stores))
    assert sum(token is not None for token in tokens) == 1
    for store in stores:
        store.close()


def _try(store: Store, sweep: int) -> str | None:
    try:
        return store.acquire_lease(sweep, "somebody")
    except SweepTaken:
        return None


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


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    with Store(url).engine.begin() as connection:
        connection.execute(text("update schema_version set version = 99"))
    with pytest.raises(StoreError, match="has schema 99, this srsweep writes schema 1"):
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
    """The row is there, the driver does not know: each write is repeated, and nothing is there twice."""

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
