"""Measures the time to tabulate a space and to suggest a trial, and compares tabulated costs with counted costs.

    python -m benchmarks.search.speed --checked 1000

writes benchmarks/runs/search/speed.json. The model gets invented PSNR values, because only time is measured.
"""

import argparse
import json
import time
from collections.abc import Mapping
from random import Random

import numpy as np
import optuna
import torch
from optuna.distributions import IntDistribution

from benchmarks.folders import own_at
from searchspace.constraint import at_most
from searchspace.cost import costs, counted_once
from searchspace.discover import FAMILIES
from searchspace.space import Space, parse_space
from searchspace.spec import knobs
from searchspace.table.space_table import ADDITIVE, SpaceTable
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.optuna_adapter import ParetoSampler
from sweeps.search.pareto.search import ParetoSearch

MILLION = {
    "n_feats": {"low": 8, "high": 64, "step": 4},
    "n_blocks": [6, 8, 10, 12, 14, 18, 22, 26],
    "local_blocks": [2, 3, 5],
    "compression": ["none", "head", "tail", "alternate", "all"],
    "expand_ratio": [1, 2, 3, 4, 6],
    "expand_conv": ["auto", "always"],
    "activation_ratio": ["rare", "1/3", "1/2", "2/3", "all"],
    "pool_layers": ["none", "default", "all"],
    "attention": ["none", "global", "channel", "contrast"],
    "upsampler": ["stepwise", "direct"],
}
HUNDRED_THOUSAND = MILLION | {"n_blocks": [6, 14, 26], "local_blocks": 5, "expand_conv": "auto"}


def every_knob_of(family: str) -> dict[str, object]:
    """Returns all knobs of a family, each with the values that it takes under `auto`."""
    return dict.fromkeys(knobs(FAMILIES[family].spec), "auto")


def up_to(high: int) -> dict[str, int]:
    return {"low": 1, "high": high}


SPACES: dict[str, dict[str, object]] = {
    "slwsr": {"slwsr": MILLION},
    "mssn": {
        "mssn": every_knob_of("mssn")
        | {
            "n_feats": [16, 24, 32, 40, 48, 56, 64],
            "n_blocks": up_to(6),
            "units_per_block": up_to(4),
        }
        | {"shuffle_groups": [2, 4], "activation": "relu"}
    },
    "edsr with attention and scaling": {
        "edsr": every_knob_of("edsr") | {"n_feats": {"low": 8, "high": 64}, "n_blocks": up_to(32)}
    },
    "six hosts of attention and scaling": {
        "edsr": every_knob_of("edsr") | {"n_blocks": up_to(64)},
        "carn": every_knob_of("carn") | {"n_blocks": up_to(6), "n_units": up_to(6)},
        "imdn": every_knob_of("imdn") | {"n_blocks": up_to(24)},
        "idn": every_knob_of("idn") | {"n_blocks": up_to(16)},
        "memnet": every_knob_of("memnet") | {"n_blocks": up_to(8), "n_recursions": up_to(8)},
        "rcan": every_knob_of("rcan") | {"n_groups": up_to(12), "n_blocks": up_to(20)},
    },
    "swisenet": {
        "swisenet": every_knob_of("swisenet") | {"n_groups": up_to(8), "blocks_per_group": up_to(8)}
    },
}


def space_of(families: object) -> Space:
    space, faults = parse_space(families, ())
    assert not faults
    return space


def tabulated(name: str, checked: int) -> dict[str, float]:
    """Tabulates one space. Returns time, rate and how many of `checked` random architectures have a wrong cost."""
    space = space_of(SPACES[name])
    counted_once.cache_clear()  # so that networks counted for an earlier space are counted again
    began, cpu = time.perf_counter(), time.process_time()
    table = SpaceTable(space, 4)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    # The counted networks are cached now, so the second table takes only the time per architecture.
    again = time.process_time()
    SpaceTable(space, 4)
    again = time.process_time() - again
    unequal = 0
    for row in Random(1).sample(range(len(table)), min(checked, len(table))):
        counted = costs(table.architecture(row), 4)
        unequal += any(counted[name] != table.costs[name][row] for name in ADDITIVE)
    return {
        "combinations": space.num_spellings,
        "architectures": len(table),
        "networks_counted": sum(family.composition.num_counted for family in table.families),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "architectures_per_cpu_second": round(len(table) / cpu),
        "cpu_seconds_without_counting": round(again, 2),
        "checked_one_by_one": min(checked, len(table)),
        "unequal": unequal,
    }


def suggested(finished: int) -> dict[str, float]:
    candidates = Architectures(
        space_of({"slwsr": HUNDRED_THOUSAND}),
        constraints=[at_most("params", "2M")],
        scale=4,
        minimized=["params", "multadds"],
        seed=0,
    )
    search = ParetoSearch(candidates, seed=0, trials=finished, steps=1000, levels=[250])
    random = np.random.default_rng(0)
    for row in random.choice(candidates.feasible, finished, replace=False):
        architecture = candidates.table.architecture(int(row))
        search.add(architecture)
        psnr = 25 + 0.8 * np.log10(candidates.table.costs["params"][row]) + random.normal(0, 0.02)
        search.observe(architecture, 250, psnr - 2)
        search.observe(architecture, 1000, psnr)
        search.end(architecture, failed=False)
    times, cpu_times = [], []
    for number in range(finished, finished + 11):
        began, cpu = time.perf_counter(), time.process_time()
        search.ask(number)
        times.append(time.perf_counter() - began)
        cpu_times.append(time.process_time() - cpu)
    return {
        "feasible_architectures": len(candidates.feasible),
        "finished_trials": finished,
        "median_seconds": round(float(np.median(times[1:])), 3),
        "median_cpu_seconds": round(float(np.median(cpu_times[1:])), 3),
    }


def in_a_study(finished: int, rows: int = 10**6) -> dict[str, float]:
    """Times suggestions to an Optuna study in memory whose space is a table of `rows` configurations."""
    knobs = {f"x{i}": IntDistribution(0, 9) for i in range(6)}
    random = np.random.default_rng(0)
    digits = np.stack(np.unravel_index(np.arange(rows), [10] * len(knobs)), 1)
    table = {f"x{i}": digits[:, i] for i in range(len(knobs))}
    table["size"] = np.exp(digits @ np.linspace(0.1, 0.4, len(knobs)))
    began = time.perf_counter()
    sampler = ParetoSampler(
        knobs,
        objectives={"accuracy": "maximize", "size": "minimize"},
        costs=table,
        trials=finished,
    )
    built = time.perf_counter() - began
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)
    for row in random.choice(rows, finished, replace=False):
        accuracy = digits[row].sum() / 54 + random.normal(0, 0.02)
        trial = optuna.trial.create_trial(
            params={name: int(table[name][row]) for name in knobs},
            distributions=knobs,
            values=[accuracy, table["size"][row]],
        )
        study.add_trial(trial)
    times, cpu_times = [], []
    for _ in range(6):
        began, cpu = time.perf_counter(), time.process_time()
        study.ask()
        times.append(time.perf_counter() - began)
        cpu_times.append(time.process_time() - cpu)
    return {
        "configurations": rows,
        "finished_trials": finished,
        "seconds_to_prepare": round(built, 2),
        "median_seconds": round(float(np.median(times[1:])), 3),
        "median_cpu_seconds": round(float(np.median(cpu_times[1:])), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checked",
        type=int,
        default=1_000,
        help="number of architectures per space whose tabulated costs are checked",
    )
    parser.add_argument(
        "--finished",
        type=int,
        default=500,
        help="number of finished trials when a suggestion is made",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    tables: dict[str, object] = {}
    measured: dict[str, object] = {"tables": tables}
    for name in SPACES:
        tables[name] = tabulated(name, given.checked)
        write(measured)
    measured["suggestion"] = suggested(given.finished)
    measured["suggestion_in_a_study"] = [in_a_study(count) for count in (given.finished, 1_000)]
    write(measured)


def write(measured: Mapping[str, object]) -> None:
    """Writes the results. It is called after each space, so that an interrupted run keeps its measurements."""
    text = json.dumps(measured, indent=2)
    own_at("speed.json").write_text(text + "\n")
    print(text, flush=True)


if __name__ == "__main__":
    main()
