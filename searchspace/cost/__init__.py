"""The costs of an architecture, counted on the meta device before any training.

Each module in this folder that defines COST adds one cost, so there is no list of costs to edit. `costs` counts all
costs from the trace of one forward pass, which `counting` records. Layers have no cost formulas, so no formula can
disagree with a layer.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from searchspace.architecture import Architecture
from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject

OUTPUT_SIZE = (720, 1280)
"""Rows and columns of the output image. Costs that depend on the image size are counted for this size (docs/facts.md 0)."""


def _discover() -> dict[str, Cost]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            continue
        cost = getattr(importlib.import_module(f"{__name__}.{module.name}"), "COST", None)
        if cost is not None:
            found[cost.name] = cost
    return found


COSTS: dict[str, Cost] = _discover()
"""All costs by name."""


def low_res_size(scale: int) -> tuple[int, int]:
    """Returns the rows and columns of the input image for a 1280x720 output, rounded down: (240, 426) at x3."""
    rows, columns = OUTPUT_SIZE
    return rows // scale, columns // scale


def subject(architecture: Architecture, scale: int) -> "Subject":
    """Returns the network of `architecture` at `scale`, built on the meta device and ready for counting."""
    # Importing torch takes seconds, and the names of the costs are needed without it.
    import torch

    from searchspace.cost.counting.subject import Subject, Unfilled

    with torch.device("meta"), Unfilled():
        network = architecture.network(scale).eval()
    return Subject(network=network, low_res=low_res_size(scale), at_scale=architecture.network)


def costs(architecture: Architecture, scale: int) -> dict[str, int]:
    """Returns all costs of `architecture` at `scale` by name, in a new dict."""
    return dict(counted_once(architecture.without_recipe, scale))


@lru_cache(maxsize=100_000)
def counted_once(architecture: Architecture, scale: int) -> Mapping[str, int]:
    """Returns all costs of `architecture` at `scale` by name. Results are cached, and the mapping is read-only."""
    counted = subject(architecture, scale)
    return MappingProxyType({name: cost.count(counted) for name, cost in COSTS.items()})
