"""Replays SMAC3 on the tables and records when it has fully trained each network.

    python -m venv /tmp/smac && /tmp/smac/bin/pip install smac==2.4.1
    /tmp/smac/bin/python -m benchmarks.search.rivals_smac --seeds 20

adds the replays to `benchmarks/runs/search/rivals/<table>.json`, as rivals.py does. SMAC3 runs with its facade for hyperparameter
optimization, whose model is a random forest, and with ParEGO, which its documentation offers for several objectives: each
suggestion weighs the objectives at random. The costs are objectives that it observes, because it has no place for known ones.
Knobs with numbers are ordered, the others are categorical, and the knobs of a family are active only in this family.

Unlike in the facade's defaults, the forest is trained for each suggestion, not for every eighth: in so small a space the
maximizer finds few new configurations, and SMAC3 would draw the rest of each eight at random. A suggestion then takes about 2 s
of processor time.

SMAC3 suggests no configuration twice. A network outside the table gets no result and costs nothing; SMAC3 then counts it as
still running and suggests another. The same holds for a training that diverged, except that its steps count. If SMAC3 has no
new configuration, an untried network of the table is drawn at random.
"""

import os
import random
import tempfile
from collections.abc import Iterator

os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # threads cost more time than the small forest takes

from ConfigSpace import (
    CategoricalHyperparameter,
    Configuration,
    ConfigurationSpace,
    EqualsCondition,
    OrdinalHyperparameter,
)
from smac import HyperparameterOptimizationFacade, Scenario
from smac.multi_objective.parego import ParEGO
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from benchmarks.search.rival_table import METRICS, Event, Row, Table, replay_all

MAX_REFUSALS = 200
"""Number of suggestions rejected in a row before an untried network is drawn at random."""
MANY = 1_000
"""How often SMAC3 may meet a configuration that it has suggested before. Its default is 16."""


def space_of(table: Table) -> ConfigurationSpace:
    """Returns the space of a table in the form that SMAC3 expects."""
    knobs = {name: _knob(name, values) for name, values in table.space.items()}
    space = ConfigurationSpace()
    space.add(list(knobs.values()))
    if "family" in knobs:
        space.add(
            [
                EqualsCondition(knob, knobs["family"], name.partition(".")[0])
                for name, knob in knobs.items()
                if name != "family"
            ]
        )
    return space


def _knob(name: str, values: list[str]) -> CategoricalHyperparameter | OrdinalHyperparameter:
    try:
        [float(value) for value in values]
    except ValueError:
        return CategoricalHyperparameter(name, values)
    return OrdinalHyperparameter(name, values)


def searched_by(table: Table, trials: int, folder: str) -> HyperparameterOptimizationFacade:
    """Returns SMAC3 with the facade's defaults, except for MANY, for the training of the forest, and for repeated trainings."""
    facade = HyperparameterOptimizationFacade
    scenario = Scenario(
        space_of(table), output_directory=folder, deterministic=True, objectives=METRICS,
        n_trials=trials, seed=random.randrange(2**31),
    )  # fmt: skip
    return facade(
        scenario,
        _unused,
        intensifier=facade.get_intensifier(scenario, max_config_calls=1),
        config_selector=facade.get_config_selector(scenario, retrain_after=1, retries=MANY),
        multi_objective_algorithm=ParEGO(scenario),
        logging_level=False,
        overwrite=True,
    )


def _unused(config: Configuration, seed: int = 0) -> float:
    """Stands for the training, which the replay looks up itself."""
    raise AssertionError


def new_row(
    table: Table, search: HyperparameterOptimizationFacade, tried: set[str]
) -> tuple[Row, TrialInfo | None]:
    """Returns the next suggestion that is in the table and untried, or an untried row drawn at random and None."""
    for _ in range(MAX_REFUSALS):
        try:
            asked = search.ask()
        except StopIteration:
            break
        row = table.find(dict(asked.config))
        if row is not None and row["key"] not in tried:
            return row, asked
    return random.choice([row for row in table.rows if row["key"] not in tried]), None


def parego(table: Table, budget: int, trials: int) -> Iterator[Event]:
    """Runs SMAC3 with ParEGO until `trials` networks are trained. Yields (steps spent, key) of each."""
    tried: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        search = searched_by(table, trials, folder)
        for number in range(trials):
            row, asked = new_row(table, search, tried)
            tried.add(row["key"])
            result = table.curve(row).get(table.steps)
            if result and asked:
                costs = [result[name] for name in METRICS]
                search.tell(asked, TrialValue(cost=costs), save=False)
            yield (number + 1) * table.steps, row["key"]


if __name__ == "__main__":
    replay_all({"SMAC3 ParEGO": parego})
