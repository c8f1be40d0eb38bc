"""The lease of a sweep: one driver at a time, and what becomes of the lease of a dead one."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sweeps.store import lease
from sweeps.store.store import Store, SweepTaken
from tests.sweeps.store.sample import SETTINGS, add


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


@pytest.mark.slow
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
    with pytest.raises(SweepTaken, match="another process has taken over"):
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
