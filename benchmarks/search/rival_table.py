"""Reads a table for the searches of other packages and writes their replays. The only package it needs is numpy.

Duplicates and networks outside the table are rejected at no cost, as in all replays.
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.folders import known_at, own_at

HERE = Path(__file__).parent
SHARE = 0.25
"""The budget in full trainings, as a share of the number of architectures in the table. Equals search.SHARE."""
NOT_KNOBS = ("key", "family", "params", "multadds", "activations", "num_convs", "seconds", "error")

Row = dict[str, str]
Event = tuple[int, str]


class Table:
    """A table of trainings: its space of knobs, and the row of each network."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            self.rows: list[Row] = list(csv.DictReader(file))
        names = [n for n in self.rows[0] if n not in NOT_KNOBS and not n.startswith("psnr_")]
        self.knobs: dict[str, list[str]] = {}
        """For each family, the names of the knobs that take more than one value."""
        self.space = {"family": sorted({row["family"] for row in self.rows})}
        """The values of every knob of every family. If there are several families, the family is a knob too."""
        for family in sorted({row["family"] for row in self.rows}):
            own = [row for row in self.rows if row["family"] == family]
            self.knobs[family] = [n for n in names if len({row[n] for row in own}) > 1]
            for name in self.knobs[family]:
                self.space[f"{family}.{name}"] = sorted({row[name] for row in own}, key=_in_order)
        self.by_knobs = {self._chosen(row["family"], row): row for row in self.rows}
        if len(self.knobs) == 1:
            del self.space["family"]
        self.steps = max(int(n.removeprefix("psnr_")) for n in self.rows[0] if "psnr_" in n)

    def _chosen(self, family: str, values: dict[str, str]) -> tuple[str, ...]:
        return (family, *(values[name] for name in self.knobs[family]))

    def find(self, config: dict[str, str]) -> Row | None:
        """Returns the row of a configuration, or None if the table has no such network."""
        family = config.get("family", next(iter(self.knobs)))
        values = {name: config[f"{family}.{name}"] for name in self.knobs[family]}
        return self.by_knobs.get(self._chosen(family, values))

    def curve(self, row: Row) -> dict[int, dict[str, float]]:
        """Returns step -> metrics, all to be minimized. Returns an empty dict if the training diverged."""
        steps = sorted(int(n.removeprefix("psnr_")) for n in row if n.startswith("psnr_"))
        if row["error"]:
            return {}
        costs = self.costs(row)
        return {s: {"step": s, "loss": -float(row[f"psnr_{s}"]), **costs} for s in steps}

    def costs(self, row: Row) -> dict[str, float]:
        """Returns the natural logarithms of the parameters and the Mult-Adds."""
        return {name: float(np.log(float(row[name]))) for name in ("params", "multadds")}


METRICS = ["loss", "params", "multadds"]


def _in_order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def replay_all(searches: Mapping[str, Callable[[Table, int, int], Iterator[Event]]]) -> None:
    """Replays searches on the tables that the command line names, and writes the replays.

    A search is a function of the table, the budget in steps and the budget in full trainings.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    names = sorted(path.stem for path in (HERE / "tables").glob("*.csv"))
    parser.add_argument(
        "--tables", nargs="*", default=names, help="names of the tables (default: all)"
    )
    given = parser.parse_args()
    for stem in given.tables:
        table = Table(HERE / "tables" / f"{stem}.csv")
        trials = round(SHARE * len(table.rows))
        for name, search in searches.items():
            events = []
            for seed in range(given.seeds):
                random.seed(seed)
                np.random.seed(seed)
                events.append(list(search(table, trials * table.steps, trials)))
                keep(stem, name, events)  # at once, because a replay may take minutes
            print(stem, name, [len(each) for each in events], flush=True)


def keep(table: str, search: str, events: list[list[Event]]) -> None:
    """Writes the replays of a search to the file of the table. The file keeps the replays of other searches."""
    name = f"rivals/{table}.json"
    known = known_at(name)
    found = json.loads(known.read_text()) if known.exists() else {}
    own_at(name).write_text(json.dumps(found | {search: events}, separators=(",", ":")) + "\n")
