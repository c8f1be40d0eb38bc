"""Answers the shell test's questions about a sweep's database.

look.py DATABASE complete NAME N    exit code 0 if the sweep has exactly N trials, all complete and different
look.py DATABASE kill NAME N        waits until N trials are complete, then kills the sweep's driver
look.py DATABASE stop NAME N        waits until N trials are complete, then stops the sweep's second job as `ray job stop` does,
                                    while the driver is too busy to answer for four seconds
look.py DATABASE free NAME N        exit code 0 if at least N trials are complete, none is open, and the lease is free
"""

import os
import re
import signal
import sqlite3
import sys
import time
from pathlib import Path


def main() -> None:
    database, verb, name, number = sys.argv[1:]
    verbs = {"complete": complete, "kill": kill, "stop": stop, "free": free}
    verbs[verb](Path(database), name, int(number))


def complete(database: Path, name: str, trials: int) -> None:
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "select trials.number, trials.state, trials.architecture from trials "
            "join sweeps on sweeps.id = trials.sweep_id where sweeps.name = ? order by 1",
            [name],
        ).fetchall()
    assert [number for number, _, _ in rows] == list(range(trials)), rows
    assert {state for _, state, _ in rows} == {"complete"}, rows
    assert len({key for _, _, key in rows}) == trials, rows


def free(database: Path, name: str, trials: int) -> None:
    assert _count(database, name) >= trials
    with sqlite3.connect(database) as connection:
        ((expires_at, now),) = connection.execute(
            "select expires_at, strftime('%Y-%m-%d %H:%M:%f', 'now') from leases "
            "join sweeps on sweeps.id = sweep_id where name = ?",
            [name],
        ).fetchall()
        assert expires_at <= now, (expires_at, now)
        ends = connection.execute("select ended_at, attempts.seconds from attempts").fetchall()
        assert all(ended_at is not None for ended_at, _ in ends), ends


def stop(database: Path, name: str, trials: int) -> None:
    from ray.job_submission import JobSubmissionClient

    client = JobSubmissionClient("http://127.0.0.1:8265")
    _wait(database, name, trials)
    # A driver on a busy machine needs longer than the 3 seconds after which Ray kills a job unless it is told otherwise.
    driver = _driver(database, name)
    os.kill(driver, signal.SIGSTOP)
    client.stop_job(f"sweep-{name}.2")
    time.sleep(4)
    os.kill(driver, signal.SIGCONT)


def _wait(database: Path, name: str, trials: int) -> None:
    give_up = time.monotonic() + 400
    while _count(database, name) < trials:
        assert time.monotonic() < give_up, "too few trials are complete"
        time.sleep(0.1)


def kill(database: Path, name: str, trials: int) -> None:
    _wait(database, name, trials)
    os.kill(_driver(database, name), signal.SIGKILL)


def _driver(database: Path, name: str) -> int:
    with sqlite3.connect(database) as connection:
        ((holder,),) = connection.execute(
            "select holder from leases join sweeps on sweeps.id = sweep_id where name = ?", [name]
        ).fetchall()
    found = re.search(r"process (\d+)", holder)
    assert found, holder
    return int(found.group(1))


def _count(database: Path, name: str) -> int:
    try:
        with sqlite3.connect(database) as connection:
            ((count,),) = connection.execute(
                "select count(*) from trials join sweeps on sweeps.id = sweep_id "
                "where name = ? and state = 'complete'",
                [name],
            ).fetchall()
    except sqlite3.OperationalError:
        return 0  # no table yet
    return int(count)


if __name__ == "__main__":
    main()
