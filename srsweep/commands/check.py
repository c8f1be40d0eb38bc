"""The command `check`: shows what a sweep file would do, without training."""

import json
import math
import time
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import click
import pandas as pd
import torch

from analysis.read.frames import load_comparable
from analysis.tables import Format
from searchspace.architecture import Architecture
from searchspace.cost import costs, low_res_size
from searchspace.errors import UserError
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.quantity import format_duration, format_quantity
from searchspace.space import feasible
from srsweep.options import FILE, by_line, print_table, read_file, tabular
from sweeps.capacity.gpu_share import resources_of
from sweeps.capacity.memory_model import Load, predicted_bytes
from sweeps.capacity.settings import AUTO
from sweeps.config.feasibility import Found, focus_words
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.split import DataSplit
from sweeps.device import num_threads, pick_device
from sweeps.machine import free_memory, num_cores, threads_here
from sweeps.measure.load import Load as OtherLoad
from sweeps.measure.load import Meter
from sweeps.measure.turns import alone
from sweeps.messages import redacted_url
from sweeps.run import Ready, lacking, local_slots, prepare, refuse_other_images
from sweeps.search.sampler import sampler_class
from sweeps.store.comparability import refusal
from sweeps.store.urls import parse_url
from sweeps.train.loop import time_step
from sweeps.train.networks import network_to_train
from sweeps.train.own_function import functions_of
from sweeps.train.settings import TrainSettings, heaviest
from sweeps.train.teacher import largest_teacher

SHOWN = ("params", "multadds", "activations", "num_convs", "memory")
"""Costs whose range `check` shows."""
MAX_SEARCHED = 20_000
"""Maximum size of a space, in knob combinations, that is searched for unused values."""
COUNTED = 500
"""Number of architectures that are sampled from a large space to estimate the feasible share."""
COUNTING_SECONDS = 10
"""Time limit, in seconds, for sampling the COUNTED architectures."""
ENOUGH = 30
"""Minimum number of architectures to sample, regardless of time, and maximum number to draw from a cost table."""
TIMED_MULTADDS = 2e10
"""Maximum number of multiply-adds of a training step that `check` times on a CPU. Such a step takes about a second."""
TIMED_PIXELS = 2e6
"""Maximum number of high-resolution pixels of a training step that `check` times on a CPU."""
TIMING_SECONDS = 20
"""Seconds after which `check` does not start to time another network."""
TRIES = 3
"""Maximum number of times that the networks are timed if other processes use the machine."""


@click.command()
@FILE
@tabular
def check(file: Path, form: Format | None) -> None:
    """Check a sweep file and show what the sweep would do.

    FILE is the sweep file. The command shows the size of the search space, the share of networks within the budget, the
    range of each cost and the expected time. No trial is trained.

    To estimate the time, the command times a few training steps. Meanwhile, your other srsweep processes on this
    machine are paused. If other processes use the cores, the command shows their load instead of an expected time.
    """
    config = read_file(file)
    with by_line(file):
        described = describe(config)
    if form == "json":
        click.echo(json.dumps(described, indent=2))
    elif form == "csv":
        print_table(pd.DataFrame([described]), form)
    else:
        for name, value in described.items():
            click.echo(f"{name:22} {value}")


def describe(config: SweepConfig) -> dict[str, Any]:
    """Returns facts about a sweep by name, such as 'feasible' or 'expected time', as JSON types.

    Raises UserError if no architecture is feasible, if the images cannot be used, or if the database holds the sweep
    with other settings or images. If an image set is missing on this machine, 'data' names it.
    """
    ready = prepare(config, sample=True, elsewhere=True)
    _refuse_stored(config, ready.split)
    found = ready.found
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
        **_recipes(config),
        "feasible": share,
        "unused values": _unused(config),
        "budget": "; ".join(_limits(config)) or "none",
        **focus_words(config, found),
    }
    described |= {name: _range(config, name, allowed, found) for name in SHOWN}
    if config.model is not None:
        predicted = _range(config, PREDICTED_LATENCY, allowed, found)
        described[PREDICTED_LATENCY] = f"{predicted} ms, {config.model.description}"
    described |= {
        "data": _data(ready),
        "image sets": " | ".join(ready.split.notes) if ready.split is not None else "unknown",
        "lacking here": "; ".join(ready.lacks) or "nothing",
        "trials": _trials(config),
        "arithmetic": f"{_multiply_adds(config, allowed):.2g} multiply-adds to train all trials to the last step",
        "expected time": _expected_time(config, allowed),
        "storage": redacted_url(config.storage),
        "advice": _advice(config),
    }
    return described


def _recipes(config: SweepConfig) -> dict[str, str]:
    """Describes the training settings that the search chooses. The dict is empty if there are none."""
    if not (number := len(config.space.recipes)):
        return {}
    return {"recipes": f"{number} of {', '.join(config.recipe)}; a network counts once with each"}


def _trials(config: SweepConfig) -> str:
    """Describes the trials in one line, such as '20 by pareto, 100,000 steps each'."""
    planned = f"{config.search.trials} by {config.search.sampler}"
    if config.seeds > 1:
        planned = f"{planned} with {config.seeds} seeds each, {config.planned_trials} in all"
    return f"{planned}, {config.train.steps:,} steps each"


def _refuse_stored(config: SweepConfig, split: DataSplit | None) -> None:
    """Raises UserError if the SQLite file of the sweep holds it with other settings or images, as `run` would.

    The file is only read. No server is contacted.
    """
    parsed = parse_url(config.storage)
    file = Path(parsed.database or "")
    # SQLite takes an empty file for a new database.
    if parsed.get_backend_name() != "sqlite" or not file.is_file() or not file.stat().st_size:
        return
    stored = load_comparable(config.storage, config.name)
    if stored is None:
        return
    settings, fingerprint = stored
    if why := refusal(config.name, redacted_url(config.storage), settings, config.comparable):
        raise UserError(why)
    if split is not None:
        refuse_other_images(config.name, fingerprint, split)


def _range(config: SweepConfig, name: str, allowed: list[Architecture], found: Found) -> str:
    """Returns the smallest and largest value of a cost among all feasible architectures, or among a sample."""
    if found.table is not None and name in found.table.costs:
        values = found.table.costs[name][found.rows]
        return f"{format_quantity(values.min().item())} to {format_quantity(values.max().item())}"
    counted = [config.known_costs(a)[name] for a in allowed]
    drawn = "" if found.table is None else f" in a sample of {len(allowed)}"
    return f"{format_quantity(min(counted))} to {format_quantity(max(counted))}{drawn}"


def _limits(config: SweepConfig) -> list[str]:
    limit = config.latency_limit
    return [*map(str, config.limits), *([f"latency <= {limit:g} ms"] if limit else [])]


def _advice(config: SweepConfig) -> str:
    """Warns of settings that are allowed but did badly in measurements (benchmarks/search/README.md)."""
    advice = []
    late = next((each for each in config.trainings if _unfinished_at_a_rung(each, config)), None)
    if late is not None:
        advice.append(
            f"halving: with schedule {late.schedule}, the learning rate is still high at a rung, so networks "
            "are ranked poorly there; cosine_restarts with its default restarts anneals to each rung"
        )
    sampler = sampler_class(config.search.sampler)
    advice += sampler.advice(config.space, halving=config.search.halving is not None)
    return "; ".join(advice) or "none"


def _unfinished_at_a_rung(train: TrainSettings, config: SweepConfig) -> bool:
    """Returns whether the learning rate is annealed at the end of training but not at each rung."""
    anneals = train.schedule in ("cosine", "one_cycle", "cosine_restarts")
    return anneals and not {*config.rungs[:-1]} <= {*(train.restarts or ())}


def _unused(config: SweepConfig) -> str:
    """Names knob values that no network of the space uses. Such a value is usually a mistake."""
    if config.space.num_spellings > MAX_SEARCHED:
        return "not searched for, because the space is large"
    return ", ".join(name for part in config.space.families for name in part.unused()) or "none"


def _data(ready: Ready) -> str:
    """Describes the images in one line, or names the missing set."""
    if ready.split is None:
        return f"not found: {ready.missing_set}; the sweep needs it to run"
    return ready.split.description


def _allowed(config: SweepConfig, found: Found) -> tuple[list[Architecture], str]:
    """Returns a sample of feasible architectures, at least one, and the feasible share of the space as text."""
    random = Random(config.seed)
    if found.table is not None:
        rows = found.rows.tolist()
        chosen = random.sample(rows, min(len(rows), ENOUGH))
        share = f"{len(rows) / len(found.table):.1%}"
        share += "" if found.table.exact else f" of a sample of {len(found.table):,}"
        return [found.table.architecture(row) for row in chosen], share
    drawn, exact = _drawn(config, random)
    allowed = [a for a in drawn if feasible(a, config.limits, config.scale)]
    share = f"{len(allowed) / len(drawn):.1%}" + ("" if exact else f" of a sample of {len(drawn)}")
    return allowed or [found.example], share


def _drawn(config: SweepConfig, random: Random) -> tuple[list[Architecture], bool]:
    """Returns all architectures of a small space and True, or a sample of a large space and False."""
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
    """Returns the multiply-adds needed to train all trials to the last step.

    A backward pass counts as two forward passes.
    """
    rows, columns = low_res_size(config.scale)
    multadds = fmean(costs(a, config.scale)["multadds"] for a in allowed) / (rows * columns)
    return 3 * multadds * _step_pixels(config) * config.train.steps * config.planned_trials


def _step_pixels(config: SweepConfig) -> float:
    """Returns the low-resolution pixels in the batch of one step, averaged over steps and recipes."""
    return fmean(each.mean_patch_area * each.batch_size for each in config.trainings)


def _expected_time(config: SweepConfig, allowed: list[Architecture]) -> str:
    """Returns the expected time of the whole sweep on this machine, unless its trials need a GPU that is missing."""
    resources = resources_of(config)
    # One step of a network meant for a GPU may need more memory than this machine has.
    meant_for_cuda = resources.gpu not in (AUTO, 0) or config.train.device == "cuda"
    if meant_for_cuda and not torch.cuda.is_available():
        return "unknown: the trials need a GPU, and this machine has none"
    if functions_of(config.trainings):
        return "unknown: train.function decides how long a step takes"
    slots = min(local_slots(resources), config.planned_trials)
    started = time.perf_counter()
    try:
        seconds, load = _seconds(config, allowed, slots)
        for _ in range(TRIES - 1):
            if load.is_busy and time.perf_counter() - started < TIMING_SECONDS:
                seconds, load = _seconds(config, allowed, slots)
    except (TooLarge, UserError) as error:  # a teacher, for example, may be on another machine
        return f"unknown: {error}"
    if load.is_busy:
        told = f"unknown: {load} while training steps were timed; stop them and check again"
        return "; ".join([told, *lacking(config)])
    shared = resources.gpu == AUTO and torch.cuda.is_available()
    note = "; less if several trials share a GPU (see `srsweep pack`)" if shared else ""
    trials = f"{slots} trials at once" if slots > 1 else "one trial at a time"
    told = f"{format_duration(seconds)} on this machine with {trials}{note}"
    return "; ".join([told, *lacking(config)])


class TooLarge(Exception):  # noqa: N818 - reads as what happened
    """Raised for a training step that needs more memory than this machine has."""


def _time_step(config: SweepConfig, architecture: Architecture) -> float:
    """Returns the duration of one training step in seconds. Raises TooLarge if the step does not fit into memory.

    If a step would take very long on the CPU, a smaller batch is timed, and the duration is scaled up. With patch
    stages, a step with the largest patches is timed, and the duration is scaled to patches of mean area. If the sweep
    searches training settings, those that need the most memory are timed.
    """
    train, scale = heaviest(config.trainings), config.scale
    on_cuda = pick_device(train.device).type == "cuda"
    batch = train.batch_size
    if not on_cuda:
        rows, columns = low_res_size(scale)
        each = 3 * costs(architecture, scale)["multadds"] / (rows * columns) * train.patch_size**2
        pixels = (train.patch_size * scale) ** 2
        batch = max(1, min(batch, int(TIMED_MULTADDS / each), int(TIMED_PIXELS / pixels)))
    load = Load(
        scale=scale,
        batch_size=batch,
        patch_size=train.patch_size,
        bfloat16=False,
        averaged=train.ema is not None,
        teacher=largest_teacher(config.trainings, scale),
    )
    needed = predicted_bytes(architecture, load)
    free = torch.cuda.mem_get_info()[0] if on_cuda else free_memory()
    if needed > free:
        raise TooLarge(
            f"a step of {architecture.label} is predicted to take {needed / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free; use a smaller patch_size or batch_size"
        )
    timed = train.model_copy(update={"batch_size": batch})
    share = _step_pixels(config) / (train.patch_size**2 * batch)
    return time_step(network_to_train(architecture, scale, timed), scale, timed) * share


def _seconds(
    config: SweepConfig, allowed: list[Architecture], slots: int
) -> tuple[float, OtherLoad]:
    """Returns the expected seconds of the whole sweep with `slots` parallel trials, and the load of other processes.

    Times the networks with the median and the largest Mult-Adds. This pauses your other srsweep processes.
    """
    ranked = sorted(allowed, key=lambda a: costs(a, config.scale)["multadds"])
    threads = threads_here(config.resources.threads)
    with num_threads(threads), alone():
        meter, started = Meter(), time.perf_counter()
        timed = [
            _time_step(config, ranked[place])
            for place in (len(ranked) // 2, -1)
            if time.perf_counter() - started < TIMING_SECONDS
        ]
        load = meter.load()
    step = sum(timed) / len(timed)
    # Without a GPU, trials beyond the number of cores take turns.
    on_cuda = pick_device(config.train.device).type == "cuda"
    at_once = slots if on_cuda else min(slots, max(1, num_cores() // threads))
    return step * config.train.steps * math.ceil(config.planned_trials / at_once), load
