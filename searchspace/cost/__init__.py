"""Costs of an architecture, counted on the meta device before any training.

Every module here that defines COST is a cost, found by itself. `costs` counts them all at once from
one forward pass of the network itself; there is no formula beside a block that could drift from it.
"""

import importlib
import pkgutil
from functools import lru_cache

import torch

from searchspace.architecture import Architecture
from searchspace.cost.subject import Cost, Subject, Unfilled

OUTPUT_SIZE = (720, 1280)
"""Rows and columns of the enlarged image that per-image costs are stated for (FACTS 0)."""


def _discover() -> dict[str, Cost]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        cost = getattr(importlib.import_module(f"{__name__}.{module.name}"), "COST", None)
        if cost is not None:
            found[cost.name] = cost
    return found


COSTS: dict[str, Cost] = _discover()


def low_res_size(scale: int) -> tuple[int, int]:
    """Rows and columns of the input whose enlargement is a 1280x720 image, rounded down (x3: 426x240)."""
    rows, columns = OUTPUT_SIZE
    return rows // scale, columns // scale


def subject(architecture: Architecture, scale: int) -> Subject:
    """`architecture` at `scale` on the meta device with one traced forward pass."""
    with torch.device("meta"), Unfilled():
        network = architecture.network(scale).eval()
    return Subject(network=network, low_res=low_res_size(scale), at_scale=architecture.network)


@lru_cache(maxsize=100_000)
def costs(architecture: Architecture, scale: int) -> dict[str, int]:
    """Every cost of `architecture` at `scale` by name; treat the result as read-only."""
    counted = subject(architecture, scale)
    return {name: cost.count(counted) for name, cost in COSTS.items()}
