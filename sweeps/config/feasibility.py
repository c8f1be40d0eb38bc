"""Checks that a sweep's space holds a network within the budget, before anything trains."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from searchspace.architecture import Architecture, architecture
from searchspace.cost import COSTS
from searchspace.errors import UserError
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.quantity import format_quantity
from searchspace.space import feasible
from searchspace.table.knob_functions import Ints, TableTooLarge
from searchspace.table.space_table import ADDITIVE, MAX_SPELLINGS, SpaceTable
from sweeps.config.sweep_config import ConfigError, SweepConfig
from sweeps.search.pareto.focus import rows_within
from sweeps.search.sampler import sampler_class

FEW = 500
"""Maximum number of combinations of knob values that are checked one by one, without a table of costs."""
MAX_COUNTED = 1_500
"""Maximum number of networks of one family whose costs are counted to build a table. This takes a few seconds."""
LOOKING_SECONDS = 20.0
"""Maximum time, in seconds, of the search for a feasible architecture in a space without a table of costs."""
MAX_LOOKED_AT = 2_000
"""Maximum number of architectures that one search draws from a space that is too large to list."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of checking a space."""

    example: Architecture
    """A feasible architecture."""
    table: SpaceTable | None = None
    """Architectures of the space with their exact costs. None if the check needed no table or could build none in time.
    """
    rows: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows of the table that hold feasible architectures."""


def check_feasible(config: SweepConfig, *, sample: bool = False) -> Found:
    """Finds an architecture that meets all limits of a sweep. Raises ConfigError if it finds none.

    A space may be too large for a complete table of costs. If `sample` is set or the sampler needs a table, such a
    space gets a table of about a million architectures drawn at random.
    """
    sample = sample or sampler_class(config.search.sampler).needs_table
    if not config.limits and not sample:
        # `spell` fails if no draw is a valid network. The search below finds out whether the space holds any.
        with contextlib.suppress(ValueError):
            return Found(example=config.space.spell(Random(config.seed)))
    listed = config.space.num_spellings > FEW or bool(config.search.focus)
    table = space_table(config, sample=sample) if listed else None
    if table is not None:
        rows = table.feasible(config.limits).nonzero()[0]
        if len(rows):
            _in_focus(config, table, rows)
            return Found(example=table.architecture(int(rows[0])), table=table, rows=rows)
        # The costs in the table are exact, so a further search is useless. The message gives the lowest costs.
        least = {name: of_all.min().item() for name, of_all in table.costs.items() if len(table)}
        raise ConfigError(_nothing(config, least, None if table.exact else len(table)))
    smallest: dict[str, float] = {}
    give_up = time.monotonic() + LOOKING_SECONDS
    looked = 0
    for candidate in _candidates(config):
        if feasible(candidate, config.limits, config.scale):
            return Found(example=candidate)
        for name, value in config.known_costs(candidate).items():
            smallest[name] = min(value, smallest.get(name, value))
        looked += 1
        if time.monotonic() > give_up:
            break
    whole = config.space.enumerable and looked == len(config.space)
    raise ConfigError(_nothing(config, smallest, None if whole else looked))


def _in_focus(config: SweepConfig, table: SpaceTable, rows: Ints) -> Ints:
    """Returns those of the feasible `rows` that lie in the ranges of `search.focus`. Raises ConfigError if none does."""
    try:
        return rows_within(table, rows, config.search.ranges)
    except UserError as error:
        raise ConfigError(f"metadata.sweep.{error}") from None


def focus_words(config: SweepConfig, found: Found) -> dict[str, str]:
    """Describes `search.focus` and the share of feasible networks in it. The dict is empty if the sweep has no focus."""
    ranges = config.search.ranges
    if not ranges:
        return {}
    words = [
        f"{name} {format_quantity(low)} to {format_quantity(high)}"
        for name, (low, high) in ranges.items()
    ]
    if found.table is None:
        return {"focus": "; ".join(words)}
    share = len(_in_focus(config, found.table, found.rows)) / len(found.rows)
    return {"focus": f"{'; '.join(words)}: {share:.1%} of the feasible networks"}


def space_table(config: SweepConfig, *, sample: bool = False) -> SpaceTable | None:
    """Returns a table of the architectures in the space with their exact costs.

    Returns None if building the table would take long, or if a limit is on a cost that the table lacks, such as memory.
    For a space that is too large for a complete table, returns None, or a table of a random sample if `sample` is set.
    The sampler uses the same table.
    """
    if any(limit.name in COSTS and limit.name not in ADDITIVE for limit in config.limits):
        return None
    if config.space.num_spellings > MAX_SPELLINGS and not sample:
        return None
    try:
        return SpaceTable(
            config.space, config.scale, config.seed, max_counted=MAX_COUNTED, rates=config.rates
        )
    except TableTooLarge:
        return None


def _candidates(config: SweepConfig) -> Iterator[Architecture]:
    if config.space.enumerable:
        yield from config.space.architectures
        return
    random = Random(config.seed)
    for _ in range(MAX_LOOKED_AT):
        yield config.space.sample(random)


def _readable(name: str, value: float) -> str:
    return f"{value:.3g} ms" if name == PREDICTED_LATENCY else f"{value:,}"


def _nothing(config: SweepConfig, smallest: Mapping[str, float], looked: int | None) -> str:
    """Returns the error message for a space in which no feasible architecture was found.

    `looked` is the number of architectures that were examined, or None if all were. `smallest` maps a cost to the
    lowest value found.
    """
    if not smallest:
        part = config.space.families[0]
        why = ""
        try:
            architecture(part.family.name, part.written({d.name: 0 for d in part.dimensions}))
        except UserError as error:
            why = f" (the first: {str(error).splitlines()[0]})"
        return f"metadata.sweep.families: no combination of these values is a network{why}"
    which = "architecture of the space"
    if looked is not None:
        which = f"architecture among {looked:,} examined"
    within = "; ".join(str(limit) for limit in config.limits)
    limited = {limit.name: None for limit in config.limits if limit.name in smallest}
    least = ", ".join(f"{name} {_readable(name, smallest[name])}" for name in limited)
    costs_told = f" (lowest costs: {least})" if least else ""
    keys = [key for key in ("budget", "constraints") if getattr(config, key)]
    change = {"budget": "raise the budget", "constraints": "loosen the constraints"}
    return (
        f"metadata.sweep.{' and '.join(keys)}: no {which} meets {within}{costs_told}; "
        f"{' or '.join(change[key] for key in keys)}, or add other architectures"
    )
