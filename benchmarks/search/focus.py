"""Measures what `search.focus` saves: trainings until the front inside a range of parameters is found.

    python -m benchmarks.search.focus --seeds 8

replays `pareto` on a table without a focus, with a focus on the middle third or sixth of the parameters (on a logarithmic
axis), and with a budget at the upper end of this range. It writes `focus.csv`, with the trainings after which the median
seed has reached a share of the hypervolume inside the range. That is the hypervolume of `curves.py` over the budgets in
the range; all networks of the table together have 1. Nothing is trained here.
"""

import argparse
from collections.abc import Iterator, Sequence

import moocore
import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.folders import own_at, shown, write_rows
from benchmarks.search.curves import Curves
from benchmarks.search.replay import by_engine, rows_of
from searchspace.table.space_table import SpaceTable
from sweeps.search.pareto.focus import MARGIN

WIDTHS = {"third": 1 / 3, "sixth": 1 / 6}
"""Widths of the ranges, as shares of the logarithmic axis of parameters. Each range is in the middle of the axis."""
SHARES = (0.9, 0.95, 0.99)
"""The shares of the hypervolume whose trainings are counted."""


class Inside:
    """The hypervolume over budgets in the middle of the parameters."""

    def __init__(self, curves: Curves, width: float) -> None:
        self.curves = curves
        self.low, self.high = 0.5 - width / 2, 0.5 + width / 2
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


def compare(name: str, seeds: int, trials: int) -> Iterator[dict[str, object]]:
    """Yields one row per range and search."""
    curves = Curves(name)
    table = SpaceTable(curves.config.space, curves.config.scale)
    rows = rows_of(curves, table)

    def trained(allowed: NDArray[np.int64], **search: object) -> list[list[str]]:
        search = {"sampler": "pareto", "trials": trials, **search}
        return [
            [key for _, key in by_engine(curves, table, allowed, seed, search)]
            for seed in range(seeds)
        ]

    everywhere = trained(rows)
    for width, share in WIDTHS.items():
        inside = Inside(curves, share)
        low, high = inside.params
        found = {
            "pareto": everywhere,
            "pareto with a budget": trained(rows[table.costs["params"][rows] <= high]),
            "pareto with a focus": trained(rows, focus={"params": {"low": low, "high": high}}),
        }
        for contender, replays in found.items():
            row = {"table": name, "range": width, "low": round(low), "high": round(high)}
            yield row | {"contender": contender, **summary(inside, replays)}


def summary(inside: Inside, replays: Sequence[Sequence[str]]) -> dict[str, object]:
    """Returns medians over replays, which are lists of keys in the order of training."""
    curves = np.array(
        [[inside.share(list(keys[: n + 1])) for n in range(len(keys))] for keys in replays]
    )
    found: dict[str, object] = {"seeds": len(curves), "trainings": curves.shape[1]}
    for share in SHARES:
        reached = [
            int(np.argmax(own >= share)) + 1 if own[-1] >= share else np.inf for own in curves
        ]
        found[f"trainings_to_{share:g}"] = float(np.median(reached))
    for at in (12, 24):
        found[f"mean_after_{at}"] = round(float(curves[:, at - 1].mean()), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="number of seeds")
    parser.add_argument("--tables", nargs="*", default=["edsr-imdn-x4"], help="names of the tables")
    parser.add_argument("--trials", type=int, default=40, help="number of trainings")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        rows = shown(
            row for name in given.tables for row in compare(name, given.seeds, given.trials)
        )
    write_rows(own_at("focus.csv"), rows)


if __name__ == "__main__":
    main()
