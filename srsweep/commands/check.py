"""What a sweep file would do: the size of its space, what is feasible, how long it takes."""

import math
import time
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import torch

from searchspace.architecture import Architecture
from searchspace.cost import costs, low_res_size
from searchspace.quantity import format_quantity
from searchspace.space import feasible
from srsweep.progress import format_duration
from sweeps.capacity.gpu_share import resources_of
from sweeps.capacity.settings import AUTO
from sweeps.config.feasibility import Found, check_feasible
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.images import find_set
from sweeps.data.settings import EMBEDDED
from sweeps.data.split import open_data
from sweeps.device import pick_device
from sweeps.machine import num_cores, threads_here
from sweeps.run import lacking, local_slots
from sweeps.search.sampler import sampler_class
from sweeps.train.loop import time_step

SHOWN = ("params", "multadds", "activations", "num_convs", "memory")
"""Costs whose range is told."""
MAX_SEARCHED = 20_000
"""Combinations up to which values without use are looked for."""
COUNTED = 500
"""Architectures drawn from a larger space to say what share is feasible."""
COUNTING_SECONDS, ENOUGH = 10, 30
"""So long are architectures of a larger space drawn and counted, and so many at the least; so many of a
table's stand for all in the arithmetic and the time."""


def describe(config: SweepConfig) -> dict[str, Any]:
    """Facts about the sweep by name, in JSON types and for people.

    Raises ConfigError or ValueError for what would stop the sweep: nothing feasible, images that cannot
    be used. Image sets that are not on this machine are named only: the sweep may run on another.
    """
    found = check_feasible(config, sample=True)
    data = _data(config)
    allowed, share = _allowed(config, found)
    table = found.table
    size = f"{len(config.space):,}" if config.space.enumerable else "not enumerated"
    if table is not None and table.exact:
        size = f"{len(table):,}"
    described = {
        "sweep": config.name,
        "text": config.digest,
        "scale": config.scale,
        "families": ", ".join(part.family.name for part in config.space.families),
        "combinations": f"{config.space.num_spellings:,}",
        "architectures": size,
        "feasible": share,
        "values without use": _unused(config),
        "budget": "; ".join(_limits(config)) or "none",
    }
    described |= {name: _range(config, name, allowed, found) for name in SHOWN}
    described |= {
        "data": data,
        "trials": f"{config.search.trials} by {config.search.sampler}, {config.train.steps:,} steps each",
        "arithmetic": f"{_multiply_adds(config, allowed):.2g} multiply-adds to train all in full",
        "expected time": _expected_time(config, allowed),
        "storage": config.storage,
        "advice": _advice(config),
    }
    return described


def _range(config: SweepConfig, name: str, allowed: list[Architecture], found: Found) -> str:
    """Least to largest of a cost among the feasible, all or those drawn."""
    if found.table is not None and name in found.table.costs:
        values = found.table.costs[name][found.rows]
        return f"{format_quantity(int(values.min()))} to {format_quantity(int(values.max()))}"
    counted = [costs(a, config.scale)[name] for a in allowed]
    drawn = "" if found.table is None else f" among {len(allowed)} drawn"
    return f"{format_quantity(min(counted))} to {format_quantity(max(counted))}{drawn}"


def _limits(config: SweepConfig) -> list[str]:
    limit = config.latency_limit
    return [*map(str, config.limits), *([f"latency <= {limit:g} ms"] if limit else [])]


def _advice(config: SweepConfig) -> str:
    """What is allowed and measured to serve badly (benchmarks/search/README.md)."""
    advice = []
    if _unfinished_at_a_rung(config):
        advice.append(
            f"halving: under schedule {config.train.schedule} networks are unfinished at a rung and rank poorly; "
            "cosine_restarts, unless given other restarts, anneals to each rung"
        )
    sampler = sampler_class(config.search.sampler)
    advice += sampler.advice(config.space, halving=config.search.halving is not None)
    return "; ".join(advice) or "none"


def _unfinished_at_a_rung(config: SweepConfig) -> bool:
    """Whether a schedule that anneals to the end of a training does not anneal to each rung."""
    anneals = config.train.schedule in ("cosine", "one_cycle", "cosine_restarts")
    return anneals and not {*config.rungs[:-1]} <= {*(config.train.restarts or ())}


def _unused(config: SweepConfig) -> str:
    """Values that no network of the space has, which are rarely meant."""
    if config.space.num_spellings > MAX_SEARCHED:
        return "not looked for: the space is large"
    return ", ".join(name for part in config.space.families for name in part.unused()) or "none"


def _data(config: SweepConfig) -> str:
    """The images in one line, or which are not here."""
    parts = [config.data.train, *filter(None, [config.data.validation])]
    for name in dict.fromkeys(part.strip() for text in parts for part in text.split("+")):
        try:
            if name != EMBEDDED:
                find_set(Path(config.data.root), name)
        except ValueError as error:
            return f"not found: {error}; the run will need it"
    return open_data(config.data, config.scale, Path(config.cache).absolute()).description


def _allowed(config: SweepConfig, found: Found) -> tuple[list[Architecture], str]:
    """Feasible architectures, all or a sample, at least one; and what share of the space they are."""
    random = Random(config.seed)
    if found.table is not None:
        rows = found.rows.tolist()
        chosen = random.sample(rows, min(len(rows), ENOUGH))
        share = f"{len(rows) / len(found.table):.1%}"
        share += "" if found.table.exact else f" of {len(found.table):,} drawn"
        return [found.table.architecture(row) for row in chosen], share
    drawn, exact = _drawn(config, random)
    allowed = [a for a in drawn if feasible(a, config.limits, config.scale)]
    share = f"{len(allowed) / len(drawn):.1%}" + ("" if exact else f" of {len(drawn)} drawn")
    return allowed or [found.example], share


def _drawn(config: SweepConfig, random: Random) -> tuple[list[Architecture], bool]:
    """All architectures of a small space, otherwise a sample of them; and whether it is all."""
    if config.space.enumerable and len(config.space) <= COUNTED:
        return list(config.space.architectures), True
    drawn: list[Architecture] = []
    started = time.perf_counter()
    while len(drawn) < COUNTED:
        drawn.append(config.space.sample(random))
        costs(drawn[-1], config.scale)
        if len(drawn) >= ENOUGH and time.perf_counter() - started > COUNTING_SECONDS:
            break
    return drawn, False


def _multiply_adds(config: SweepConfig, allowed: list[Architecture]) -> float:
    """Multiply-adds of all trials in full: forward once, backward twice that, at the patches' size."""
    rows, columns = low_res_size(config.scale)
    multadds = fmean(costs(a, config.scale)["multadds"] for a in allowed) / (rows * columns)
    pixels = config.train.patch_size**2 * config.train.batch_size * config.train.steps
    return 3 * multadds * pixels * config.search.trials


def _expected_time(config: SweepConfig, allowed: list[Architecture]) -> str:
    """For the whole sweep on this machine; where its trials ask for a GPU that is not here, that."""
    resources = resources_of(config)
    # A network that is meant for a GPU may need more memory than this machine has for one step.
    meant_for_cuda = resources.gpu not in (AUTO, 0) or config.train.device == "cuda"
    if meant_for_cuda and not torch.cuda.is_available():
        return "unknown: its trials ask for a GPU, and this machine has none"
    slots = min(local_slots(resources), config.search.trials)
    seconds = _seconds(config, allowed, slots)
    shared = resources.gpu == AUTO and torch.cuda.is_available()
    note = ", less where several share a GPU (see `srsweep pack`)" if shared else ""
    told = f"{format_duration(seconds)} on this machine, {slots} at once{note}"
    return "; ".join([told, *lacking(config)])


def _seconds(config: SweepConfig, allowed: list[Architecture], slots: int) -> float:
    """Expected seconds of the whole sweep, so many trials at once, from timed steps of the median and the largest network."""
    ranked = sorted(allowed, key=lambda a: costs(a, config.scale)["multadds"])
    before = torch.get_num_threads()
    threads = threads_here(config.resources.threads)
    torch.set_num_threads(threads)
    started = time.perf_counter()
    timed = [
        time_step(ranked[place].network(config.scale), config.scale, config.train)
        for place in (len(ranked) // 2, -1)
        if time.perf_counter() - started < 20
    ]
    torch.set_num_threads(before)
    step = sum(timed) / len(timed)
    # On processors, more trials than there are cores for take turns.
    on_cuda = pick_device(config.train.device).type == "cuda"
    at_once = slots if on_cuda else min(slots, max(1, num_cores() // threads))
    return step * config.train.steps * math.ceil(config.search.trials / at_once)
