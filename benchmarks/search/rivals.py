"""Searches of Syne Tune replayed on the tables: what they train fully, and after how many steps.

Syne Tune wants an environment of its own, and this file needs nothing of ours:

    python -m venv /tmp/syne-tune && /tmp/syne-tune/bin/pip install syne-tune==0.16.0
    /tmp/syne-tune/bin/python benchmarks/search/rivals.py --seeds 20

writes `results/rivals/<table>.json`: for each search, for each seed, a list of [steps spent, key]. `search.py` scores them as
its own. Duplicates and what is not in the table are turned down at no cost, as with all other searches.
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multi_objective_regularized_evolution import (
    MultiObjectiveRegularizedEvolution,
)

HERE = Path(__file__).parent
SHARE = 0.25
"""As in search.py."""
MAX_REFUSALS = 200
"""Suggestions turned down in a row before an untried architecture is drawn."""
NOT_KNOBS = ("key", "family", "params", "multadds", "activations", "num_convs", "seconds", "error")

Row = dict[str, str]
Event = tuple[int, str]


class Table:
    """A table as Syne Tune sees it: a space of knobs, and the row that a choice of them means."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            self.rows: list[Row] = list(csv.DictReader(file))
        names = [n for n in self.rows[0] if n not in NOT_KNOBS and not n.startswith("psnr_")]
        self.knobs: dict[str, list[str]] = {}
        """Knobs that vary, of each family."""
        self.space: dict[str, Any] = {"family": choice(sorted({r["family"] for r in self.rows}))}
        for family in sorted({row["family"] for row in self.rows}):
            own = [row for row in self.rows if row["family"] == family]
            self.knobs[family] = [n for n in names if len({row[n] for row in own}) > 1]
            for name in self.knobs[family]:
                values = sorted({row[name] for row in own}, key=_in_order)
                self.space[f"{family}.{name}"] = choice(values)
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
        costs = {name: float(np.log(float(row[name]))) for name in ("params", "multadds")}
        return {s: {"step": s, "loss": -float(row[f"psnr_{s}"]), **costs} for s in steps}


METRICS = ["loss", "params", "multadds"]


def _in_order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def new_row(
    table: Table, suggest: Callable[[], dict[str, str]], tried: set[str]
) -> tuple[Row, Any]:
    """The first suggestion that is in the table and new, with its configuration; None there if drawn."""
    for _ in range(MAX_REFUSALS):
        config = suggest()
        row = table.find(config)
        if row is not None and row["key"] not in tried:
            return row, config
    return random.choice([row for row in table.rows if row["key"] not in tried]), None


def moasha(table: Table, budget: int, trials: int) -> Iterator[Event]:
    """Multi-objective asynchronous successive halving: a trial stops at a rung unless it ranks high."""
    first = min(table.curve(table.rows[0]))
    searched = MOASHA(table.space, METRICS, time_attr="step", max_t=table.steps, grace_period=first)
    tried: set[str] = set()
    spent = 0
    while spent < budget and len(tried) < len(table.rows):
        row, config = new_row(table, lambda: dict(searched.suggest().config), tried)
        tried.add(row["key"])
        trial = Trial(trial_id=len(tried), config=config or {}, creation_time=datetime.now())
        searched.on_trial_add(trial)
        before = 0
        for step, result in table.curve(row).items():
            spent, before = spent + step - before, step
            if step == table.steps:
                searched.on_trial_complete(trial, result)
                yield spent, row["key"]
            elif searched.on_trial_result(trial, result) == SchedulerDecision.STOP:
                break


def evolution(table: Table, budget: int, trials: int) -> Iterator[Event]:
    """Multi-objective regularized evolution; a population of an eighth of the trials, as our NSGA-II's."""
    population = max(8, trials // 8)
    searched = MultiObjectiveRegularizedEvolution(
        table.space, population_size=population, sample_size=min(5, population),
        random_seed=random.randrange(2**31),
    )  # fmt: skip
    tried: set[str] = set()
    for number in range(trials):
        row, config = new_row(table, lambda: dict(searched.suggest()), tried)
        tried.add(row["key"])
        result = table.curve(row).get(table.steps)
        if result and config:
            told = [result[name] for name in METRICS]
            searched.on_trial_complete(number, config, told)
        yield (number + 1) * table.steps, row["key"]


SEARCHES = {"Syne Tune MOASHA": moasha, "Syne Tune MO-REA": evolution}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    for path in sorted((HERE / "tables").glob("*.csv")):
        table = Table(path)
        trials = round(SHARE * len(table.rows))
        target = HERE / "results" / "rivals" / f"{path.stem}.json"
        found: dict[str, list[list[Event]]] = (
            json.loads(target.read_text()) if target.exists() else {}
        )
        for name, search in SEARCHES.items():
            found[name] = []
            for seed in range(given.seeds):
                random.seed(seed)
                np.random.seed(seed)
                found[name].append(list(search(table, trials * table.steps, trials)))
            print(path.stem, name, [len(events) for events in found[name]], flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
