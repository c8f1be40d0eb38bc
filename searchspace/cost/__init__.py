"""The costs of an architecture, counted on the meta device before any training.

Each module here that defines COST adds a cost; no list names them. `costs` counts all of them from one traced forward
pass of the network. No layer has a cost formula beside it, so none can disagree with its layer.
"""

import importlib
import pkgutil
from functools import lru_cache

import torch

from searchspace.architecture import Architecture
from searchspace.cost.subject import Cost, Subject, Unfilled

OUTPUT_SIZE = (720, 1280)
"""Rows and columns of the output image for which costs per image are counted (docs/facts.md 0)."""


def _discover() -> dict[str, Cost]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        cost = getattr(importlib.import_module(f"{__name__}.{module.name}"), "COST", None)
        if cost is not None:
            found[cost.name] = cost
    return found


COSTS: dict[str, Cost] = _discover()


def low_res_size(scale: int) -> tuple[int, int]:
    """Returns the rows and columns of the input for a 1280x720 output, rounded down: (240, 426) at x3."""
    rows, columns = OUTPUT_SIZE
    return rows // scale, columns // scale


def subject(architecture: Architecture, scale: int) -> Subject:
    """Returns `architecture` at `scale`, built on the meta device and ready to be counted."""
    with torch.device("meta"), Unfilled():
        network = architecture.network(scale).eval()
    return Subject(network=network, low_res=low_res_size(scale), at_scale=architecture.network)


@lru_cache(maxsize=100_000)
def costs(architecture: Architecture, scale: int) -> dict[str, int]:
    """Returns every cost of `architecture` at `scale` by name. The result is cached; do not change it."""
    counted = subject(architecture, scale)
    return {name: cost.count(counted) for name, cost in COSTS.items()}
