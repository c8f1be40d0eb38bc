"""Measures how fast SQLite and PostgreSQL write and read a database with a million measurements.

    python -m benchmarks.storage sqlite:////tmp/million.db [postgresql+psycopg://...]

srsweep's reader is compared with a straightforward reader, which loads every measurement into a data frame and then
picks the newest measurement of each trial. The databases must be new; `benchmarks.synthetic` fills them.
"""

import argparse
import time
from collections.abc import Callable

import pandas as pd
from sqlalchemy import create_engine, make_url

from analysis.choose.front import load_front
from analysis.read.points import load_points
from benchmarks import table
from benchmarks.record import Record
from benchmarks.synthetic import fill
from sweeps.records import Measurement
from sweeps.search.settings import Direction
from sweeps.store.store import Store

OBJECTIVES: dict[str, Direction] = {
    "psnr_y": "maximize",
    "params": "minimize",
    "multadds": "minimize",
}
COMMITS = 100
"""Number of evaluations that each round records."""
TRIAL = 1
"""Id of the trial whose first attempt gets the recorded evaluations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("urls", nargs="+", help="URLs of new databases")
    parser.add_argument("--trials", type=int, default=10_000, help="number of trials to invent")
    parser.add_argument(
        "--evaluations", type=int, default=24, help="number of evaluations per trial"
    )
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each measurement")
    options = parser.parse_args()
    record = Record("storage", trials=options.trials, evaluations=options.evaluations)
    for url in options.urls:
        started = time.perf_counter()
        measurements = fill(url, options.trials, options.evaluations)
        filling = time.perf_counter() - started
        name = make_url(url).get_backend_name()
        common = {"database": name, "measurements": measurements}
        record.add(**common, what="bulk insert of all", round=0, seconds=filling)
        readers: dict[str, Callable[[str], int]] = {
            "points of the plot, by srsweep": read_points,
            "points of the plot, every measurement read": read_everything,
            "Pareto front alone, by srsweep": read_front,
            "one evaluation recorded": record_evaluations,
        }
        for round_ in range(options.rounds):
            counts = set()
            for what, work in readers.items():
                started = time.perf_counter()
                count = work(url)
                seconds = time.perf_counter() - started
                if what.startswith("points"):
                    counts.add(count)
                elif work is record_evaluations:
                    seconds /= count
                record.add(**common, what=what, round=round_, seconds=seconds)
                print(record.rows[-1], flush=True)
            assert len(counts) == 1, counts
    print(record.path, *table.storage(record.rows), sep="\n")


def read_points(url: str) -> int:
    return len(load_points(url, "synthetic", list(OBJECTIVES)))


def read_front(url: str) -> int:
    return len(load_front(url, "synthetic", OBJECTIVES))


def read_everything(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        trials = pd.read_sql("SELECT id, state FROM trials", connection, index_col="id")
        measured = pd.read_sql("SELECT * FROM measurements", connection)
    engine.dispose()
    chosen = measured[measured["name"].isin(OBJECTIVES)].sort_values("step")
    newest = chosen.groupby(["trial_id", "name"])["value"].last().unstack().dropna()
    return int((trials.loc[newest.index, "state"] == "complete").sum())


def record_evaluations(url: str) -> int:
    """Records evaluations of four measurements each in the filled database, as a driver does. Returns COMMITS."""
    store = Store(url)
    first = time.time_ns() // 1_000_000 % 1_000_000_000  # from the clock, so that no step repeats
    for step in range(first, first + COMMITS):
        names = ("psnr_y", "ssim_y", "loss", "seconds")
        rows = [Measurement(step=step, dataset="train", name=name, value=1.0) for name in names]
        assert store.record(TRIAL, 1, rows)
    store.close()
    return COMMITS


if __name__ == "__main__":
    main()
