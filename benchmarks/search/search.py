"""Compares searches on tabulated spaces: hypervolume as a function of the training steps spent.

    python -m benchmarks.search.search --seeds 20

replays every search on every table of `tables/`. It writes `<table>.csv`, with median and quartiles over the seeds for
each search and number of steps, and `summary.csv`, which the README quotes once `benchmarks.adopt` has moved it from
`benchmarks/runs/search` to `results/`. Nothing is trained here,
because the tables hold the results of real trainings. With `--only`, the rows of other searches on the same table stay
as they are. Replays that `rivals.py` and `rivals_archai.py` (searches of other packages) or `record.py` (slow searches)
recorded are scored too, with the recorded seeds.
"""

import argparse
import csv
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.samplers import TPESampler
from threadpoolctl import threadpool_limits

from benchmarks.folders import known_at, own_at
from benchmarks.search.curves import Curves, table_names
from benchmarks.search.replay import Replay, by_engine, curve_of, rows_of
from searchspace.table.space_table import SpaceTable

SHARE = 0.25
"""The budget in full trainings, as a share of the number of architectures in the table."""
ELSEWHERE = ("Syne Tune MOASHA", "Syne Tune MO-REA", "Archai evolution")
"""Searches of other packages, which rivals.py and rivals_archai.py replay."""
RIVALS = ("random", "Optuna TPE", "Optuna TPE multivariate", "nsga2", "gp", *ELSEWHERE)
"""Searches to beat. The first five are Optuna's samplers. They run inside srsweep's engine, which rejects duplicates
and networks outside the table at no cost; without the engine, they would spend trainings on such networks. srsweep's
`tpe` is not a rival, because it answers a rejection differently from Optuna's TPE."""
SLOW = ("gp",)
"""Searches so slow that only record.py replays them."""
UNLIMITED = 100_000
"""A number of trials that no budget reaches."""

Events = list[tuple[int, str]]
"""A complete replay: (steps spent so far, key) for every full training."""

Contender = Callable[[int], Replay]


def contenders(curves: Curves, trials: int) -> dict[str, Contender]:
    """Returns the searches by name. A search is a function of the seed. The budget is `trials` full trainings."""
    table = SpaceTable(curves.config.space, curves.config.scale)
    rows, budget = rows_of(curves, table), trials * curves.steps
    halving = {"min_steps": curves.steps // 4, "factor": 2}
    in_full = {"trials": trials}
    halved = {"trials": UNLIMITED, "steps": budget, "halving": halving}

    def replayed(**search: object) -> Contender:
        return lambda seed: by_engine(curves, table, rows, seed, search)

    return {
        "random": replayed(sampler="random", **in_full),
        "tpe": replayed(sampler="tpe", **in_full),
        "Optuna TPE": lambda seed: by_engine(
            curves, table, rows, seed, {"sampler": "tpe", **in_full}, sampler=TPESampler
        ),
        "Optuna TPE multivariate": lambda seed: by_engine(
            curves, table, rows, seed, {"sampler": "tpe", **in_full}, sampler=multivariate_tpe
        ),
        "nsga2": replayed(sampler="nsga2", **in_full),
        "pareto": replayed(sampler="pareto", **in_full),
        "random + halving": replayed(sampler="random", **halved),
        "pareto + halving": replayed(sampler="pareto", **halved),
        "gp": replayed(sampler="gp", **in_full),
    }


def multivariate_tpe(seed: int) -> TPESampler:
    """Returns Optuna's TPE with joint densities of the knobs.

    With `group`, the knobs of each family have a joint density too. Without it, only knobs that all trials share would.
    In a space of one family it makes no difference.
    """
    return TPESampler(seed=seed, multivariate=True, group=True)


def recorded(name: str) -> dict[str, list[Events]]:
    """Returns the recorded replays on the table `name`: for each search, a list whose index is the seed."""
    path = known_at(f"rivals/{name}.json")
    return json.loads(path.read_text()) if path.exists() else {}


def kept(replays: list[Events]) -> Contender:
    """Returns a contender that repeats recorded replays."""
    return lambda seed: iter(replays[seed])


def compare(name: str, seeds: int, only: list[str]) -> Iterator[dict[str, Any]]:
    """Replays all searches on one table and writes their curves. Yields the rows of the summary."""
    curves = Curves(name)
    trials = round(SHARE * len(curves.entries))
    budget = trials * curves.steps
    grid = list(range(curves.steps, budget + 1, curves.steps))
    found: dict[str, NDArray[np.float64]] = {}
    ends = {
        row["contender"]: float(row["hypervolume_at_end"])
        for row in read_rows(known_at("summary.csv"))
        if (row["table"], row["architectures"]) == (name, str(len(curves.entries)))
    }
    replays = recorded(name)
    searches = {name: kept(events) for name, events in replays.items()}
    searches = contenders(curves, trials) | searches
    for contender, replay in searches.items():
        if (only and contender not in only) or (contender in SLOW and contender not in replays):
            continue
        began = time.perf_counter()
        own = range(min(seeds, len(replays.get(contender, range(seeds)))))
        found[contender] = np.array([curve_of(replay(s), curves, grid) for s in own])
        write_curves(name, found, grid)
        print(
            f"{name}: {contender}: {np.median(found[contender][:, -1]):.4f} of the hypervolume after "
            f"{trials} trainings ({time.perf_counter() - began:.0f} s)",
            flush=True,
        )
    ends |= {contender: end(values) for contender, values in found.items()}
    best = max((rival for rival in RIVALS if rival in ends), key=lambda rival: ends[rival])
    for contender, values in found.items():
        row = {"table": name, "architectures": len(curves.entries), "seeds": len(values)}
        row |= {"budget_trainings": trials, "contender": contender, "best_rival": best}
        row["hypervolume_at_end"] = round(end(values), 4)
        for share in (0.1, 0.25, 1 / 3, 0.5):
            at = max(0, int(share * len(grid)) - 1)
            row[f"hypervolume_at_{share:.2f}"] = round(float(np.median(values[:, at])), 4)
        row["share_of_steps_to_best_rival"] = steps_to(values, ends[best], grid)
        for name_in_row, other in (("tpe", "tpe"), ("random_in_full", "random")):
            reached = steps_to(values, ends[other], grid) if other in ends else ""
            row[f"share_of_steps_to_{name_in_row}"] = reached
        for quartile in (25, 75):
            reached = steps_to(values, ends[best], grid, quartile)
            row[f"percentile_{quartile}_of_share_to_best_rival"] = reached
        yield row


def end(values: NDArray[np.float64]) -> float:
    """Returns the median hypervolume over seeds when the budget is spent."""
    return float(np.median(values[:, -1]))


def steps_to(
    values: NDArray[np.float64], wanted: float, grid: list[int], percentile: int = 50
) -> str:
    """Returns the share of the budget after which the hypervolume reaches `wanted`, as a percentile over seeds.

    Returns '>1' if so many seeds never reach `wanted` that the percentile is not among those that do.
    """
    reached = [
        grid[int(np.argmax(row >= wanted))] / grid[-1] if (row >= wanted).any() else np.inf
        for row in values
    ]
    with np.errstate(invalid="ignore"):  # between two infinite shares
        found = float(np.percentile(reached, percentile))
    return f"{found:.3f}" if np.isfinite(found) else ">1"


def write_curves(name: str, found: dict[str, NDArray[np.float64]], grid: list[int]) -> None:
    """Writes one row per search and number of steps. Rows of searches that are not in `found` stay."""
    file_name = f"{name}.csv"
    on_grid = {str(number) for number in grid}
    kept = [
        r
        for r in read_rows(known_at(file_name))
        if r["contender"] not in found and r["steps"] in on_grid
    ]
    with own_at(file_name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["contender", "steps", "median", "lower_quartile", "upper_quartile"])
        writer.writerows(row.values() for row in kept)
        for contender, values in found.items():
            quartiles = np.percentile(values, [50, 25, 75], axis=0).T
            for steps, row in zip(grid, quartiles, strict=True):
                writer.writerow([contender, steps, *(f"{value:.4f}" for value in row)])


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file, or no rows if the file does not exist."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    parser.add_argument(
        "--tables",
        nargs="*",
        default=table_names(),
        help="names of the tables (default: all)",
    )
    parser.add_argument(
        "--only", nargs="*", default=[], help="names of the searches to replay (default: all)"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    with threadpool_limits(1, user_api="blas"):
        rows = [row for name in given.tables for row in compare(name, given.seeds, given.only)]
    again = {(row["table"], row["contender"]) for row in rows}
    sizes = {row["table"]: str(row["architectures"]) for row in rows}
    kept = [
        row
        for row in read_rows(known_at("summary.csv"))
        if (row["table"], row["contender"]) not in again
        and sizes.get(row["table"], row["architectures"]) == row["architectures"]
    ]
    with own_at("summary.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *rows])
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
