"""Replays searches of Syne Tune on the tables and records when they have fully trained each network.

Syne Tune needs a separate environment. From srsweep, this script imports only rival_table.py:

    python -m venv /tmp/syne-tune && /tmp/syne-tune/bin/pip install syne-tune==0.16.0
    /tmp/syne-tune/bin/python -m benchmarks.search.rivals --seeds 20

writes `benchmarks/runs/search/rivals/<table>.json`, which holds a list of [steps spent, key] for each search and seed. `search.py`
scores these lists like its own replays. Duplicates and networks outside the table are rejected at no cost, as in all
replays.
"""

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
from syne_tune.optimizer.schedulers.multiobjective.multi_objective_regularized_evolution import (
    MultiObjectiveRegularizedEvolution,
)

from benchmarks.search.rival_table import METRICS, Event, Row, Table, replay_all

MAX_REFUSALS = 200
"""Number of suggestions rejected in a row before an untried architecture is drawn at random."""


def domains(table: Table) -> dict[str, Any]:
    """Returns the space of a table in the form that Syne Tune expects."""
    return {name: choice(values) for name, values in table.space.items()}


def new_row(
    table: Table, suggest: Callable[[], dict[str, str]], tried: set[str]
) -> tuple[Row, Any]:
    """Returns the first suggestion that is in the table and untried, as (row, configuration).

    After MAX_REFUSALS rejected suggestions, an untried row is drawn at random, and the configuration is None.
    """
    for _ in range(MAX_REFUSALS):
        config = suggest()
        row = table.find(config)
        if row is not None and row["key"] not in tried:
            return row, config
    return random.choice([row for row in table.rows if row["key"] not in tried]), None


def moasha(table: Table, budget: int, trials: int) -> Iterator[Event]:
    """Runs multi-objective asynchronous successive halving, which stops trials that rank low at a rung."""
    first = min(table.curve(table.rows[0]))
    searched = MOASHA(
        domains(table), METRICS, time_attr="step", max_t=table.steps, grace_period=first
    )
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
    """Runs multi-objective regularized evolution. The population is an eighth of `trials`, as in srsweep's NSGA-II."""
    population = max(8, trials // 8)
    searched = MultiObjectiveRegularizedEvolution(
        domains(table), population_size=population, sample_size=min(5, population),
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


if __name__ == "__main__":
    replay_all(SEARCHES)
