"""Compares the gains that `pareto` expects of its suggestions with the gains that they bring.

    python -m benchmarks.search.gains --seeds 4

replays `pareto` on tables and writes `gains.csv`: for some stretches of trainings, the mean expected and the mean real
growth of the hypervolume, in percent of the hypervolume before the training. `srsweep select --more` shows such an expected gain.
Nothing is trained here.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.folders import own_at, shown, write_rows
from benchmarks.search.curves import Curves, table_names
from benchmarks.search.replay import by_engine, rows_of
from searchspace.table.space_table import SpaceTable

STRETCHES = ((12, 18), (18, 24), (24, 36), (36, 48))
"""The first training and the one after the last, counted from 0."""


def compare(name: str, seeds: int) -> Iterator[dict[str, object]]:
    """Yields one row per stretch."""
    curves = Curves(name)
    table = SpaceTable(curves.config.space, curves.config.scale)
    rows, begin, trials = rows_of(curves, table), STRETCHES[0][0], STRETCHES[-1][1]
    expected, real = np.zeros((seeds, trials)), np.zeros((seeds, trials))
    for seed in range(seeds):
        gains: list[float] = []
        search = {"sampler": "pareto", "trials": trials}
        keys = [key for _, key in by_engine(curves, table, rows, seed, search, gains=gains)]
        volumes = np.array([curves.hypervolume(keys[:n]) for n in range(begin, trials + 1)])
        expected[seed] = gains
        real[seed, begin:] = volumes[1:] / volumes[:-1] - 1
    for first, last in STRETCHES:
        row: dict[str, object] = {"table": name, "seeds": seeds, "first": first + 1, "last": last}
        row["expected_percent"] = round(100 * float(expected[:, first:last].mean()), 3)
        row["real_percent"] = round(100 * float(real[:, first:last].mean()), 3)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="number of seeds")
    parser.add_argument(
        "--tables",
        nargs="*",
        default=table_names(),
        help="names of the tables (default: all)",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        rows = shown(row for name in given.tables for row in compare(name, given.seeds))
    write_rows(own_at("gains.csv"), rows)


if __name__ == "__main__":
    main()
