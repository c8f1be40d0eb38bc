"""Compares learning-rate schedules: how well the PSNR at a rung predicts the final PSNR, and how high the latter is.

    python -m benchmarks.search.schedules benchmarks/search/tables/slwsr-x2-restarts.yaml --networks 24

trains the same networks under each schedule below. It writes `schedules/<name>.csv` in `benchmarks/runs/search` with one row per network
and schedule. A row is appended when its training ends, so the script can be stopped and started again. Then the script
prints two results for each schedule: the rank correlations between the PSNR at the rungs of the sweep file and the
final PSNR, and the mean gain in final PSNR over `one_cycle`. With a constant rate, an average of the weights is
evaluated. srsweep itself has no such average.
"""

import argparse
import csv
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from benchmarks.folders import known_at, own_at
from searchspace.architecture import Architecture
from sweeps.config.sweep_config import SweepConfig, read_config
from sweeps.data.patches import PatchSampler
from sweeps.data.split import DataSplit, open_data
from sweeps.device import pick_device
from sweeps.measure.evaluate import evaluate
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_step

REFERENCE = "one_cycle"
AVERAGED_SHARE = 6.94
"""Exponent of the averaging weights t^6.94 (Karras et al. 2024, arXiv 2312.02696, equation 123).

The width of the average is 0.1 of the steps so far, so it has the same relative width at every rung. An average with
a fixed decay would not."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One of the schedules that are compared."""

    rate: Callable[[int], float]
    """A function that returns the learning rate at a step."""
    averaged: bool = False
    """Whether an average of the weights is evaluated instead of the weights."""
    seed: int = 0
    """A number that is added to the seed of the sweep file."""


def tried(config: SweepConfig) -> dict[str, Tried]:
    """Returns the schedules by name. The largest rate is the learning rate of the sweep file, or half of it."""
    rungs = list(config.rungs[:-1])
    peak = config.train.learning_rate

    def scheduled(schedule: str, **more: object) -> Callable[[int], float]:
        values = config.train.model_dump() | {"schedule": schedule, "restarts": None} | more
        return partial(learning_rate_at, TrainSettings.model_validate(values))

    def rising(step: int) -> float:
        edges = [0, *rungs, config.train.steps]
        cycle = int(np.searchsorted(edges, step, side="right"))
        length = edges[cycle] - edges[cycle - 1]
        return scheduled("one_cycle", steps=length)(step - edges[cycle - 1])

    return {
        REFERENCE: Tried(rate=scheduled("one_cycle")),
        "one_cycle, another seed": Tried(rate=scheduled("one_cycle"), seed=1),
        "cosine_restarts": Tried(rate=scheduled("cosine_restarts", restarts=rungs)),
        "cosine_restarts, first rung": Tried(rate=scheduled("cosine_restarts", restarts=rungs[:1])),
        "one_cycle for each rung": Tried(rate=rising),
        "constant, averaged": Tried(rate=lambda step: peak, averaged=True),
        "half of it constant, averaged": Tried(rate=lambda step: peak / 2, averaged=True),
    }


def curve(
    architecture: Architecture, config: SweepConfig, split: DataSplit, tried: Tried
) -> dict[int, float]:
    """Trains a network under one schedule. Returns step -> PSNR of the luma [dB], for the rungs and the end."""
    torch.manual_seed(config.seed + tried.seed)
    settings, device = config.train, pick_device(config.train.device)
    network = architecture.network(config.scale).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = deepcopy(network)
    optimizer = make_optimizer(network)
    sampler = PatchSampler(
        split.train, settings.patch_size, settings.batch_size, config.seed + tried.seed
    )
    take_step = make_step(network, optimizer, settings, sampler, tried.rate)
    found = {}
    for step in range(1, settings.steps + 1):
        take_step(step - 1)
        if tried.averaged:
            _blend(average, network, (1 - 1 / step) ** (AVERAGED_SHARE + 1))
        if step in config.rungs:
            judged = average if tried.averaged else network
            found[step] = evaluate(judged, split.validation, device=device).psnr_y
    return found


@torch.no_grad()
def _blend(average: nn.Module, network: nn.Module, kept: float) -> None:
    """Updates the average of the weights: the share `kept` of the average, the rest from the network."""
    for own, other in zip(average.parameters(), network.parameters(), strict=True):
        own.lerp_(other, 1 - kept)


def judged(path: Path, config: SweepConfig) -> list[dict[str, object]]:
    """Returns one row per schedule: rank correlations at the rungs, and the gain in final PSNR over REFERENCE."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    finals = {r["key"]: float(r[f"psnr_{config.train.steps}"]) for r in of(rows, REFERENCE)}
    summary = []
    for name in dict.fromkeys(row["schedule"] for row in rows):
        own = [row for row in of(rows, name) if row["key"] in finals]
        end = column(own, config.train.steps)
        reference = np.array([finals[row["key"]] for row in own])
        row: dict[str, object] = {"schedule": name, "networks": len(own)}
        for rung in config.rungs[:-1]:
            row[f"{rung} with own end"] = round(spearmanr(column(own, rung), end)[0], 2)
            row[f"{rung} with {REFERENCE}"] = round(spearmanr(column(own, rung), reference)[0], 2)
        row[f"end with {REFERENCE}"] = round(spearmanr(end, reference)[0], 2)
        difference = end - reference
        row["gain_dB"] = round(float(difference.mean()), 3)
        row["standard_error"] = round(float(difference.std(ddof=1) / np.sqrt(len(own))), 3)
        row["median_gain_dB"] = round(float(np.median(difference)), 3)
        summary.append(row)
    return summary


def of(rows: list[dict[str, str]], schedule: str) -> list[dict[str, str]]:
    """Returns the rows of one schedule."""
    return [row for row in rows if row["schedule"] == schedule]


def column(rows: list[dict[str, str]], step: int) -> NDArray[np.float64]:
    """Returns the PSNR [dB] of N rows after `step` steps, (N,)."""
    return np.array([float(row[f"psnr_{step}"]) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", type=Path, help="sweep file with rungs")
    parser.add_argument("--networks", type=int, default=24, help="number of networks to train")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = read_config(given.sweep)
    split = open_data(config.data, config.scale, Path(config.cache).absolute())
    path = own_at(f"schedules/{given.sweep.stem}.csv")
    names = ["key", "schedule", *(f"psnr_{rung}" for rung in config.rungs)]
    if not path.exists():
        adopted = known_at(f"schedules/{path.name}")
        path.write_text(adopted.read_text() if adopted.exists() else ",".join(names) + "\n")
    with path.open(newline="") as file:
        known = {(row["key"], row["schedule"]) for row in csv.DictReader(file)}
    wanted = list(config.space.architectures)
    Random(1).shuffle(wanted)
    for architecture in wanted[: given.networks]:
        for name, schedule in tried(config).items():
            if (architecture.key, name) in known:
                continue
            found = curve(architecture, config, split, schedule)
            with path.open("a", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([architecture.key, name, *(f"{p:.4f}" for p in found.values())])
    for row in judged(path, config):
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
