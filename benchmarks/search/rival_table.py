"""A table as other packages see it, and the files of their replays; it needs numpy alone.

Duplicates and what is not in the table are turned down at no cost, as with all other searches.
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SHARE = 0.25
"""As in search.py."""
NOT_KNOBS = ("key", "family", "params", "multadds", "activations", "num_convs", "seconds", "error")

Row = dict[str, str]
Event = tuple[int, str]


class Table:
    """A space of knobs, and the row that a choice of them means."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            self.rows: list[Row] = list(csv.DictReader(file))
        names = [n for n in self.rows[0] if n not in NOT_KNOBS and not n.startswith("psnr_")]
        self.knobs: dict[str, list[str]] = {}
        """Knobs that vary, of each family."""
        self.space = {"family": sorted({row["family"] for row in self.rows})}
        """The values of every knob; of several families, of all of them and which one it is."""
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
        """The row of a configuration; None where its knobs do not go together."""
        family = config.get("family", next(iter(self.knobs)))
        values = {name: config[f"{family}.{name}"] for name in self.knobs[family]}
        return self.by_knobs.get(self._chosen(family, values))

    def curve(self, row: Row) -> dict[int, dict[str, float]]:
        """Step -> what a search is told, to be minimized; empty where the training diverged."""
        steps = sorted(int(n.removeprefix("psnr_")) for n in row if n.startswith("psnr_"))
        if row["error"]:
            return {}
        costs = self.costs(row)
        return {s: {"step": s, "loss": -float(row[f"psnr_{s}"]), **costs} for s in steps}

    def costs(self, row: Row) -> dict[str, float]:
        """Logarithms of the costs."""
        return {name: float(np.log(float(row[name]))) for name in ("params", "multadds")}


METRICS = ["loss", "params", "multadds"]


def _in_order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def replay_all(searches: Mapping[str, Callable[[Table, int, int], Iterator[Event]]]) -> None:
    """Replay searches, each a function of table, steps and trainings in the budget, and write what they found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    names = sorted(path.stem for path in (HERE / "tables").glob("*.csv"))
    parser.add_argument("--tables", nargs="*", default=names)
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
            print(stem, name, [len(each) for each in events], flush=True)
            keep(stem, name, events)


def keep(table: str, search: str, events: list[list[Event]]) -> None:
    """Put a search's replays in the file of the table, beside those of others."""
    path = HERE / "results" / "rivals" / f"{table}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(found | {search: events}, separators=(",", ":")) + "\n")
