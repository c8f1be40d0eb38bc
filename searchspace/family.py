"""The description of an architecture family. Each module in `searchspace/families/` defines one family as FAMILY."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from searchspace.spec import Spec
from searchspace.stages import Stages
from searchspace.table.cost_parts import Parts

if TYPE_CHECKING:
    from torch import Tensor, nn

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
    "multadds_at_256",
]
"""The names of the papers' rules for counting parameters and Mult-Adds (`searchspace.cost.counting.conventions`)."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published network, with the parameters and Mult-Adds that its paper prints."""

    name: str
    """The name of the network in the paper's tables."""
    spec: Spec
    scale: int
    params: str | None = None
    """The number of parameters as the paper prints it, for example '144K'. None if the paper prints no number."""
    params_convention: Convention = "deployed"
    multadds: str | None = None
    """The Mult-Adds as the paper prints them, for example '8.3G'. None if the paper prints no number."""
    multadds_convention: Convention = "multadds"
    source: str
    caveat: str = ""
    """Why our counts differ from the printed counts, or how we read an unclear passage of the paper. Empty if neither
    applies."""
    reproducible: bool = True
    """Whether our counts round to the printed counts."""


@dataclass(frozen=True, kw_only=True)
class PublicCode:
    """A public implementation of a family. Its checkpoints are recognised, and then loaded by name or refused."""

    name: str
    """OWNER/REPOSITORY, and the file if the repository has several."""
    layers: Callable[[Any, int], Iterable[str]]
    """Takes (spec, scale) and returns the code's names of the layers, in the order in which our network registers them.

    A layer with a weight has a name without '.weight' and '.bias'. Any other tensor has its full name. The mean shift
    is left out. There are no names if the code cannot build the spec.
    """
    rewrite: Callable[[Any, Mapping[str, "Tensor"]], Mapping[str, "Tensor"]] | None = None
    """Takes (spec, tensors of a file by name) and returns the tensors in the form in which our network trains. For
    example, a folded convolution becomes its branches. `layers` gives the names for this form."""
    adapt: Callable[["nn.Module"], None] | None = None
    """Changes our network so that its output equals that of the code. Called after the code's weights are loaded."""
    open_knobs: tuple[str, ...] = ()
    """Knobs that are arguments in the code and leave no trace in the tensors of a checkpoint."""
    note: str = ""
    """A note for users of the code's weights. Empty if there is none."""
    unused: str = ""
    """A regular expression for the code's names of tensors that are not loaded: layers without effect, and constants
    that our network computes itself. Empty if there are none."""
    refused: str = ""
    """Why our network cannot reproduce the output of the code. The code's weights are then refused. Empty if it can."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture family: its knobs, its network and its published variants."""

    name: str
    source: str
    """The paper and the repository of its code."""
    spec: type[Spec]
    network: Callable[[Any, int], "nn.Module"]
    """Builds the network from a spec and a scale s. The network maps images (N, 3, H, W) in [0, 1] to (N, 3, sH, sW). Its
    output may lie slightly outside [0, 1]."""
    scales: tuple[int, ...] = (2, 3, 4)
    """The scales at which the network can be built."""
    published: tuple[Published, ...] = ()
    upstream_range: float = 1.0
    """The largest colour value in the authors' network: 1 or 255. Our network multiplies its input by this number, so
    that the authors' checkpoints fit."""
    codes: tuple[PublicCode, ...] = ()
    """Public implementations whose checkpoints are recognised by the names of their tensors."""
    stages: Stages = Stages()
    """The parts of the network that `srsweep inspect` examines: blocks, pool layers and parallel paths."""
    parts: Parts | None = None
    """The groups of knobs that affect the costs together. From these groups, `searchspace.table.space_table` computes
    the costs of millions of networks, and checks the result on a few networks first. If None, it counts all networks
    one by one."""
