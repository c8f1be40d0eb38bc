"""Measures what `search.focus` saves: trainings until the front inside a range of parameters is found.

    python -m benchmarks.search.focus --seeds 5

replays `pareto` on a table without a focus, with a focus on the middle third of the parameters (on a logarithmic axis), and
with a budget at the upper end of this range. It writes `focus.csv`, with the trainings after which the median seed has
reached a share of the hypervolume inside the range. That is the hypervolume of `curves.py` over the budgets in the range;
all networks of the table together have 1. Nothing is trained here.
"""

import argparse
import csv
from collections.abc import Mapping

import moocore
import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.folders import own_at
from benchmarks.search.curves import Curves
from benchmarks.search.replay import by_engine, rows_of
from searchspace.table.space_table import SpaceTable
from sweeps.search.pareto.focus import MARGIN

SHARES = (0.9, 0.95, 0.99)
"""The shares of the hypervolume whose trainings are counted."""


class Inside:
    """The hypervolume over budgets in the middle third of the parameters."""

    def __init__(self, curves: Curves) -> None:
        self.curves = curves
        self.table = SpaceTable(curves.config.space, curves.config.scale)
        """The exact costs of the table's space."""
        self.low, self.high = 1 / 3, 2 / 3
        span = curves.high[0] - curves.low[0]
        self.params = tuple(
            float(np.exp(curves.low[0] + share * span)) for share in (self.low, self.high)
        )
        """Both ends of the range."""
        end = self.high + MARGIN * (self.high - self.low)
        self.reference = moocore.Hypervolume(ref=[end, 1.02, 0.0])
        self.whole = self._volume(list(curves.entries))

    def _volume(self, keys: list[str]) -> float:
        points = self.curves.points(keys)
        points = points[points[:, 0] <= self.high + 1e-9]
        points[:, 0] = np.maximum(points[:, 0], self.low)
        return float(self.reference(points)) if len(points) else 0.0

    def share(self, keys: list[str]) -> float:
        """Returns the hypervolume of these architectures as a share of that of the table."""
        return self._volume(keys) / self.whole


def found(
    inside: Inside, rows: NDArray[np.int64], seed: int, search: Mapping[str, object]
) -> list[float]:
    """Replays a search on the table's `rows`. Returns its share of the hypervolume after each training."""
    keys: list[str] = []
    shares = []
    for _, key in by_engine(inside.curves, inside.table, rows, seed, search):
        keys.append(key)
        shares.append(inside.share(keys))
    return shares


def compare(name: str, seeds: int, trials: int) -> list[dict[str, object]]:
    """Returns one row per search."""
    curves = Curves(name)
    inside = Inside(curves)
    rows = rows_of(curves, inside.table)
    low, high = inside.params
    within = rows[inside.table.costs["params"][rows] <= high]
    common = {"sampler": "pareto", "trials": trials}
    focus = {"params": {"low": low, "high": high}}
    searches = {
        "pareto": (rows, common),
        "pareto with a budget": (within, common),
        "pareto with a focus": (rows, common | {"focus": focus}),
    }
    found_rows = []
    for contender, (allowed, search) in searches.items():
        curves_of = [found(inside, allowed, seed, search) for seed in range(seeds)]
        row: dict[str, object] = {"table": name, "low": round(low), "high": round(high)}
        row |= {"contender": contender, "seeds": seeds, "budget_trainings": trials}
        for share in SHARES:
            counts = [
                next((n for n, value in enumerate(each, 1) if value >= share), np.inf)
                for each in curves_of
            ]
            row[f"trainings_to_{share:g}"] = float(np.median(counts))
        row["at_end"] = round(float(np.median([each[-1] for each in curves_of])), 4)
        found_rows.append(row)
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return found_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--tables", nargs="*", default=["edsr-imdn-x4"], help="names of the tables")
    parser.add_argument("--trials", type=int, default=50, help="number of trainings")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        rows = [row for name in given.tables for row in compare(name, given.seeds, given.trials)]
    with own_at("focus.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
