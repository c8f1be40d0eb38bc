"""The rows that two runs of a sweep must share, whatever their databases, drivers and disturbances."""

from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

TRIALS = """
select number, architecture, label, seed, state from trials
join sweeps on sweeps.id = sweep_id where sweeps.name = :name order by number
"""
MEASUREMENTS = """
select number, measurements.name, dataset, step, value from measurements
join trials on trials.id = trial_id join sweeps on sweeps.id = sweep_id
where sweeps.name = :name and measurements.name != 'seconds' order by 1, 2, 3, 4
"""
ATTEMPTS = """
select number, attempt, attempts.step, error, ended_at from attempts
join trials on trials.id = trial_id join sweeps on sweeps.id = sweep_id
where sweeps.name = :name order by 1, 2
"""


def rows(url: str, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns trials and measurements, without times."""
    return {"trials": select(url, TRIALS, name), "measurements": select(url, MEASUREMENTS, name)}


def complete(url: str, name: str) -> int:
    """Returns the number of complete trials; 0 while there are no tables or no server."""
    try:
        return sum(row[4] == "complete" for row in select(url, TRIALS, name))
    except (OperationalError, ProgrammingError):
        return 0


def attempts(url: str, name: str) -> list[tuple[Any, ...]]:
    """Returns (number, attempt, step, error, ended_at) of each attempt, in order."""
    return select(url, ATTEMPTS, name)


def select(url: str, query: str, name: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), {"name": name})]
    finally:
        engine.dispose()
