"""Compares samplers in an Optuna study of another field: small classifiers of three spirals, accuracy against weights.

    python -m benchmarks.search.other_field --seeds 20

trains each of the 216 networks of the space once (a minute of processor time) into `spirals/networks.csv`. It then replays each
sampler on them in a plain Optuna study, without srsweep's engine: a sampler that suggests a network again spends a
trial on it. `spirals/samplers.json` holds the hypervolume after a third of the trials and at the end, as a share of that of the
whole space, and the trials until the best rival's final median, each as median and quartiles. Its axes are the accuracy above chance and the logarithm of the number of weights. Nothing of `pareto` was
developed on this space.
"""

import argparse
import csv
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import moocore
import numpy as np
import optuna
import torch
from numpy.typing import NDArray
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
    """Returns the accuracy of each network. Trains those that are not in networks.csv."""
    path = known_at("spirals/networks.csv")
    rows = list(csv.DictReader(path.open(newline=""))) if path.exists() else []
    known = {row["params"]: float(row["accuracy"]) for row in rows}
    found = {}
    for each in listed(space):
        text = json.dumps(each.params, sort_keys=True)
        if text not in known:
            known[text] = round(accuracy(each.params), 4)
        found[key_of(each.params)] = known[text]
    with own_at("spirals/networks.csv").open("w", newline="") as file:
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
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    table = trained()
    curves: dict[str, NDArray[np.float64]] = {}
    for name, sampler in samplers().items():
        curves[name] = np.array([volumes(sampler(seed), table) for seed in range(given.seeds)])
        print(name, np.median(curves[name][:, -1]), flush=True)
    rivals = {name: float(np.median(of[:, -1])) for name, of in curves.items() if name != "pareto"}
    best = max(rivals, key=rivals.__getitem__)
    found: dict[str, object] = {"seeds": given.seeds, "trials": TRIALS, "best_rival": best}
    for name, of in curves.items():
        reached = [
            int(np.argmax(row >= rivals[best])) + 1 if row[-1] >= rivals[best] else np.inf
            for row in of
        ]
        found[name] = {
            "hypervolume_at_third": quartiles(of[:, TRIALS // 3 - 1]),
            "hypervolume_at_end": quartiles(of[:, -1]),
            "trials_to_best_rival": quartiles(reached),
        }
    own_at("spirals/samplers.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def quartiles(values: Sequence[float] | NDArray[np.float64]) -> list[float | None]:
    """Returns the median and both quartiles. None: it is infinite."""
    found = np.percentile(values, [50, 25, 75], method="inverted_cdf")
    return [round(float(each), 4) if np.isfinite(each) else None for each in found]


if __name__ == "__main__":
    main()
