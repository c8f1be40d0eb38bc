"""Whether anything in a sweep's space is within its budget, asked before anything is trained."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from searchspace.architecture import Architecture, architecture
from searchspace.cost import COSTS, costs
from searchspace.space import feasible
from searchspace.table.knob_functions import Ints, TableTooLarge
from searchspace.table.space_table import ADDITIVE, MAX_SPELLINGS, SpaceTable
from sweeps.config.sweep_config import ConfigError, SweepConfig

FEW = 500
"""A space of so many combinations is counted one by one."""
MAX_COUNTED = 1_500
"""Networks of a family that are counted for the table of a space: a few seconds."""
LOOKING_SECONDS = 20.0
"""So long a space without a table of its costs is searched for one feasible architecture."""
MAX_LOOKED_AT = 2_000
"""Architectures drawn at most in that time."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the look at a space has brought."""

    example: Architecture
    """One that is feasible."""
    table: SpaceTable | None = None
    """The space with its exact costs, where that was quick to make."""
    rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """Those of the table that are feasible."""


def check_feasible(config: SweepConfig, *, sample: bool = False) -> Found:
    """One feasible architecture; raises ConfigError where none was found.

    With `sample`, and for the search by costs, a space that is too large for a table of all has one of a
    random million.
    """
    sample = sample or config.search.sampler == "pareto"
    if not config.limits and not sample:
        with contextlib.suppress(ValueError):  # then the table tells whether there is any network
            return Found(example=config.space.spell(Random(config.seed)))
    table = space_table(config, sample=sample) if config.space.num_spellings > FEW else None
    if table is not None:
        rows = table.feasible(config.limits).nonzero()[0]
        if len(rows):
            return Found(example=table.architecture(int(rows[0])), table=table, rows=rows)
        # The table is exact: there is nothing to look for, and its least costs are the space's.
        least = {name: int(of_all.min()) for name, of_all in table.costs.items() if len(table)}
        raise ConfigError(_nothing(config, least, None if table.exact else len(table)))
    smallest: dict[str, float] = {}
    give_up = time.monotonic() + LOOKING_SECONDS
    looked = 0
    for candidate in _candidates(config):
        if feasible(candidate, config.limits, config.scale):
            return Found(example=candidate)
        for name, value in costs(candidate, config.scale).items():
            smallest[name] = min(value, smallest.get(name, value))
        looked += 1
        if time.monotonic() > give_up:
            break
    whole = config.space.enumerable and looked == len(config.space)
    raise ConfigError(_nothing(config, smallest, None if whole else looked))


def space_table(config: SweepConfig, *, sample: bool = False) -> SpaceTable | None:
    """The space with its exact costs; None where that would take long or memory is limited.

    The search of the sweep takes it as it is, and so does its sample of a space that is too large.
    """
    if any(limit.name in COSTS and limit.name not in ADDITIVE for limit in config.limits):
        return None
    if config.space.num_spellings > MAX_SPELLINGS and not sample:
        return None
    try:
        return SpaceTable(config.space, config.scale, config.seed, max_counted=MAX_COUNTED)
    except TableTooLarge:
        return None


def _candidates(config: SweepConfig) -> Iterator[Architecture]:
    if config.space.enumerable:
        yield from config.space.architectures
        return
    random = Random(config.seed)
    for _ in range(MAX_LOOKED_AT):
        yield config.space.sample(random)


def _nothing(config: SweepConfig, smallest: Mapping[str, float], looked: int | None) -> str:
    """That nothing was found; `looked`: at how many, None for all."""
    if not smallest:
        part = config.space.families[0]
        why = ""
        try:
            architecture(part.family.name, part.written({d.name: 0 for d in part.dimensions}))
        except ValueError as error:
            why = f" (the first: {str(error).splitlines()[0]})"
        return f"metadata.sweep.families: no combination of these values is a network{why}"
    which = "architecture of the space"
    if looked is not None:
        which = f"architecture of {looked:,} looked at"
    within = "; ".join(str(limit) for limit in config.limits)
    least = ", ".join(f"{name} {smallest[name]:,}" for name in config.budget if name in smallest)
    return (
        f"metadata.sweep.budget: no {which} meets {within} (least: {least}); raise the budget or add "
        "smaller architectures"
    )
