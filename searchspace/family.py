"""What a file in `searchspace/families/` hands over: a `Family` named FAMILY."""

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
"""How a paper counted; `searchspace.cost.conventions` computes each from the network itself."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One network of a paper with the counts printed there."""

    name: str
    """As the paper's tables call it."""
    spec: Spec
    scale: int
    params: str | None = None
    """As printed, for example '144K'."""
    params_convention: Convention = "deployed"
    multadds: str | None = None
    """As printed, for example '8.3G'."""
    multadds_convention: Convention = "multadds"
    source: str
    caveat: str = ""
    """Why the counts do not come out, or which reading of the paper this is; empty where they do."""
    reproducible: bool = True
    """Whether our count rounds to the printed one."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture family: its knobs, its network, its published variants."""

    name: str
    source: str
    """Paper and code."""
    spec: type[Spec]
    network: Callable[[Any, int], nn.Module]
    """(spec, scale) -> network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW), nominally in [0, 1]."""
    scales: tuple[int, ...] = (2, 3, 4)
    published: tuple[Published, ...] = ()
    upstream_range: float = 1.0
    """Largest value of a colour that upstream's network is fed (1 or 255); ours scales by it inside, so that
    upstream checkpoints fit."""
    parts: Parts | None = None
    """Which knobs act on the costs together; lets spaces of millions be tabulated (`searchspace.table.space_table`), which
    checks it. None: counted one by one."""
