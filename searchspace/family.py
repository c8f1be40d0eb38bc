"""The description of an architecture family. Each file in `searchspace/families/` defines one, named FAMILY."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from searchspace.spec import Spec
from searchspace.table.cost_parts import Parts

Convention = Literal[
    "deployed",
    "trained",
    "trained_with_mean_shift",
    "weights",
    "trained_three_scales",
    "weights_three_scales",
    "params_times_low_res_pixels",
    "weights_times_output_pixels",
    "multadds",
    "multadds_with_bias",
    "multadds_with_mean_shift",
    "multadds_exact_third",
]
"""The rules by which papers count. `searchspace.cost.conventions` applies each rule to the network itself."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One network of a paper with the counts that the paper prints."""

    name: str
    """The name in the paper's tables."""
    spec: Spec
    scale: int
    params: str | None = None
    """The printed number of parameters, for example '144K'."""
    params_convention: Convention = "deployed"
    multadds: str | None = None
    """The printed Mult-Adds, for example '8.3G'."""
    multadds_convention: Convention = "multadds"
    source: str
    caveat: str = ""
    """Why our counts differ from the printed ones, or how we read an unclear passage of the paper. Empty if neither applies."""
    reproducible: bool = True
    """Whether our counts round to the printed ones."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture family: its knobs, its network and its published variants."""

    name: str
    source: str
    """The paper and the public code."""
    spec: type[Spec]
    network: Callable[[Any, int], nn.Module]
    """Builds the network for (spec, scale). It maps (N, 3, H, W) in [0, 1] to (N, 3, sH, sW), nominally in [0, 1]."""
    scales: tuple[int, ...] = (2, 3, 4)
    published: tuple[Published, ...] = ()
    upstream_range: float = 1.0
    """The largest colour value in the input of the authors' network (1 or 255). Our network multiplies its input by this
    number, so the authors' checkpoints fit."""
    parts: Parts | None = None
    """Which knobs affect the costs together. With it, `searchspace.table.space_table` can tabulate a space of millions of
    networks; the table checks the declaration first. None: every network is counted by itself."""
