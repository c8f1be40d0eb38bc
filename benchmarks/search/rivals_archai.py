"""Replays Archai's evolutionary search on the tables and records when it has fully trained each network.

    python -m venv /tmp/archai && /tmp/archai/bin/pip install archai==1.0.0 pandas
    /tmp/archai/bin/python -m benchmarks.search.rivals_archai --seeds 20

adds the replays to `benchmarks/runs/search/rivals/<table>.json`, as rivals.py does. Archai also writes archai.log to the working
folder. The settings are Archai's defaults: 10 random networks at first, then in each iteration a mutation of every network on
the front, 5 crossovers and 5 random networks. A mutation changes one knob.
"""

# mypy: disallow-untyped-decorators=False

import logging
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress

os.environ["TQDM_DISABLE"] = "1"

from archai.discrete_search.algos.evolution_pareto import EvolutionParetoSearch
from archai.discrete_search.api.archai_model import ArchaiModel
from archai.discrete_search.api.model_evaluator import ModelEvaluator
from archai.discrete_search.api.search_objectives import SearchObjectives
from archai.discrete_search.api.search_space import EvolutionarySearchSpace
from overrides import overrides

from benchmarks.search.rival_table import METRICS, Event, Row, Table, replay_all

Config = dict[str, str]
NO_RESULT = 1e9
"""The loss reported for a training that diverged. Archai minimizes all metrics."""


class BudgetSpent(Exception):  # noqa: N818 - reads as what happened
    """The budget allows no further training."""


class Tabulated(EvolutionarySearchSpace):  # type: ignore[misc]
    """A search space of Archai that holds the architectures of a table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def _first(self, draw: Callable[[], Config], but: str = "") -> ArchaiModel:
        """Draws until a network is in the table and its key is not `but`. Returns this network."""
        while True:
            config = draw()
            row = self.table.find(config)
            if row is not None and row["key"] != but:
                return ArchaiModel(arch=(config, row), archid=row["key"])

    @overrides
    def random_sample(self) -> ArchaiModel:
        space = self.table.space
        return self._first(lambda: {name: random.choice(values) for name, values in space.items()})

    @overrides
    def mutate(self, arch: ArchaiModel) -> ArchaiModel:
        def changed() -> Config:
            name = random.choice(list(self.table.space))
            return arch.arch[0] | {name: random.choice(self.table.space[name])}

        return self._first(changed, but=arch.archid)

    @overrides
    def crossover(self, arch_list: list[ArchaiModel]) -> ArchaiModel:
        parents = [parent.arch[0] for parent in arch_list]
        return self._first(
            lambda: {name: random.choice(parents)[name] for name in self.table.space}
        )

    @overrides
    def save_arch(self, model: ArchaiModel, file_path: str) -> None:
        """Saves nothing, because a replay leaves no files."""

    @overrides
    def load_arch(self, file_path: str) -> ArchaiModel:
        raise NotImplementedError

    @overrides
    def save_model_weights(self, model: ArchaiModel, file_path: str) -> None:
        """Saves nothing, because nothing is trained."""

    @overrides
    def load_model_weights(self, model: ArchaiModel, file_path: str) -> None:
        raise NotImplementedError


class Metric(ModelEvaluator):  # type: ignore[misc]
    """The evaluator of one metric, which it takes from the row of a network in the table."""

    def __init__(self, name: str, result: Callable[[Row], dict[str, float]]) -> None:
        self.name, self.result = name, result

    @overrides
    def evaluate(self, arch: ArchaiModel, budget: float | None = None) -> float:
        return self.result(arch.arch[1]).get(self.name, NO_RESULT)


def evolution(table: Table, budget: int, trials: int) -> Iterator[Event]:
    """Runs Archai's EvolutionParetoSearch until `trials` networks are trained. Yields (steps spent, key) of each."""
    trained: list[Event] = []

    def train(row: Row) -> dict[str, float]:
        if len(trained) == trials:
            raise BudgetSpent
        trained.append(((len(trained) + 1) * table.steps, row["key"]))
        return table.curve(row).get(table.steps, {})

    objectives = SearchObjectives()  # caches metrics, so a duplicate costs no training
    for name in METRICS:
        by = train if name == "loss" else table.costs
        is_dear = name == "loss"
        objectives.add_objective(
            name, Metric(name, by), higher_is_better=False, compute_intensive=is_dear
        )
    with tempfile.TemporaryDirectory() as folder:
        search = EvolutionParetoSearch(
            Tabulated(table), objectives, folder, num_iters=trials, clear_evaluated_models=False,
            save_pareto_model_weights=False, seed=random.randrange(2**31),
        )  # fmt: skip
        search.search_state.save_all_2d_pareto_evolution_plots = lambda _: None
        with suppress(BudgetSpent):
            search.search()
    yield from trained


if __name__ == "__main__":
    logging.disable(logging.INFO)
    replay_all({"Archai evolution": evolution})
