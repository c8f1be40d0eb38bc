"""Compares samplers in an Optuna study of another field: small classifiers of three spirals, accuracy against weights.

    python -m benchmarks.search.other_field --seeds 20 --gp-seeds 5

trains each of the 216 networks of the space once (a minute of processor time) into `spirals.csv`. It then replays each
sampler on them in a plain Optuna study, without srsweep's engine: a sampler that suggests a network again spends a
trial on it. `other_field.json` holds the hypervolume after a third of the trials and at the end, as a share of that of the
whole space. Its axes are the accuracy above chance and the logarithm of the number of weights. Nothing of `pareto` was
developed on this space.
"""

import argparse
import csv
import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import moocore
import numpy as np
import optuna
import torch
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import BaseTrial
from torch import nn

from benchmarks.folders import known_at, own_at
from sweeps.search.pareto.optuna_adapter import ParetoSampler
from sweeps.search.pareto.walk import listed

TRIALS = 40
CHANCE = 1 / 3
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
Key = tuple[tuple[str, Any], ...]
"""The parameters of a network."""


def space(trial: BaseTrial) -> None:
    trial.suggest_int("first", 4, 32, step=4)
    trial.suggest_categorical("activation", list(ACTIVATIONS))
    if trial.suggest_categorical("deep", [False, True]):
        trial.suggest_int("second", 4, 32, step=4)


def weights(params: Mapping[str, Any]) -> dict[str, float]:
    widths = [2, params["first"], *([params["second"]] if params["deep"] else []), 3]
    return {"weights": sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))}


def accuracy(params: Mapping[str, Any]) -> float:
    """Returns the share of 600 held-out points that the trained network puts on the right spiral."""
    torch.manual_seed(0)
    turn = torch.linspace(0.5, 6, 200).repeat(3)
    wanted = torch.arange(3).repeat_interleave(200)
    angle = turn + wanted * 2 * torch.pi / 3
    spirals = torch.stack([turn * angle.sin(), turn * angle.cos()], 1) / 6
    points, held_out = (spirals + 0.04 * torch.randn(600, 2) for _ in range(2))
    widths = [2, params["first"], *([params["second"]] if params["deep"] else [])]
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), ACTIVATIONS[params["activation"]]()]
    network = nn.Sequential(*layers, nn.Linear(widths[-1], 3))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(points), wanted).backward()
        optimizer.step()
    return float((network(held_out).argmax(1) == wanted).double().mean())


def trained() -> dict[Key, float]:
    """Returns the accuracy of each network. Trains those that are not in spirals.csv."""
    path = known_at("spirals.csv")
    rows = list(csv.DictReader(path.open(newline=""))) if path.exists() else []
    known = {row["params"]: float(row["accuracy"]) for row in rows}
    found = {}
    for each in listed(space):
        text = json.dumps(each.params, sort_keys=True)
        if text not in known:
            known[text] = round(accuracy(each.params), 4)
        found[key_of(each.params)] = known[text]
    with own_at("spirals.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["params", "accuracy"])
        writer.writerows(known.items())
    return found


def key_of(params: Mapping[str, Any]) -> Key:
    return tuple(sorted(params.items()))


def samplers() -> dict[str, Callable[[int], BaseSampler]]:
    """Returns the samplers by name, as functions of the seed."""
    return {
        "random": lambda seed: RandomSampler(seed=seed),
        "Optuna TPE": lambda seed: TPESampler(seed=seed),
        "Optuna TPE multivariate": lambda seed: TPESampler(
            seed=seed, multivariate=True, group=True
        ),
        "pareto": lambda seed: ParetoSampler(
            space,
            objectives={"accuracy": "maximize", "weights": "minimize"},
            costs=weights,
            trials=TRIALS,
            floors={"accuracy": CHANCE},
            seed=seed,
        ),
        "Optuna GP": lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
    }


def volumes(sampler: BaseSampler, table: Mapping[Key, float]) -> list[float]:
    """Returns the hypervolume after each trial of a study, as a share of that of all networks."""
    logs = np.log([weights(dict(key))["weights"] for key in table])
    low, high = logs.min(), logs.max()

    def point(key: Key) -> tuple[float, float]:
        log = np.log(weights(dict(key))["weights"])
        return float((log - low) / (high - low)), CHANCE - table[key]

    reference = moocore.Hypervolume(ref=[1.02, 0.0])
    whole = float(reference(np.array([point(key) for key in table])))
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        space(trial)
        return table[key_of(trial.params)], weights(trial.params)["weights"]

    study.optimize(objective, n_trials=TRIALS)
    points = np.array([point(key_of(trial.params)) for trial in study.trials])
    return [float(reference(points[: n + 1])) / whole for n in range(len(points))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    parser.add_argument("--gp-seeds", type=int, default=5, help="number of seeds of the slow GP")
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    table = trained()
    found: dict[str, dict[str, object]] = {}
    for name, sampler in samplers().items():
        seeds = given.gp_seeds if name == "Optuna GP" else given.seeds
        curves = np.array([volumes(sampler(seed), table) for seed in range(seeds)])
        found[name] = {"seeds": seeds, "trials": TRIALS}
        for share, at in (("third", TRIALS // 3 - 1), ("end", TRIALS - 1)):
            quartiles = np.percentile(curves[:, at], [50, 25, 75])
            found[name][f"hypervolume_at_{share}"] = [round(float(each), 4) for each in quartiles]
        print(name, found[name], flush=True)
        own_at("other_field.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
