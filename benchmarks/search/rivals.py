"""Searches of Syne Tune replayed on the tables: what they train fully, and after how many steps.

Syne Tune wants an environment of its own; nothing of ours is needed there but the file beside this one:

    python -m venv /tmp/syne-tune && /tmp/syne-tune/bin/pip install syne-tune==0.16.0
    /tmp/syne-tune/bin/python -m benchmarks.search.rivals --seeds 20

writes `results/rivals/<table>.json`: for each search, for each seed, a list of [steps spent, key]. `search.py` scores them as
its own. Duplicates and what is not in the table are turned down at no cost, as with all other searches.
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
"""Suggestions turned down in a row before an untried architecture is drawn."""


def domains(table: Table) -> dict[str, Any]:
    """The space as Syne Tune writes it."""
    return {name: choice(values) for name, values in table.space.items()}


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
    """Multi-objective regularized evolution; a population of an eighth of the trials, as our NSGA-II's."""
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
