"""Networks that simulate the rounding of INT8 during training, so that their weights adapt to the rounding.

A tensor of INT8 holds whole numbers q from 0 to 255, which stand for the values scale * (q - zero_point). The
simulation rounds a tensor to these values and keeps it in float32. The gradient is 1 inside the range and 0 outside
(the straight-through estimator, as in `torch.fake_quantize_per_tensor_affine`). The example has the range [-1, 1.55],
the scale 2.55 / 255 = 0.01 and the zero_point 100:

    value       q                                      rounded value     gradient
    0.2537      round(0.2537 / 0.01) + 100 = 125       0.25              1
    0           100                                    0                 1
    2.0         300, clipped to 255                    1.55              0

`rounded` first folds the network (`searchspace.layers.deployed`), because a phone runs the folded network. Then it
changes four things:

1. The weights of each convolution are rounded. In each output channel, the largest absolute weight becomes 127.
2. The outputs of convolutions, activations, sums, products and concatenations are rounded, and so are all other inputs
   of convolutions. The range of each grows at once to hold all values of a step, and shrinks slowly, as a moving
   average, while the values of later steps lie inside it.
3. If a ReLU is the only reader of a tensor, only the output of the ReLU is rounded. Runtimes compute both in one step.
4. The output is clipped to [0, 1] and rounded to the 256 levels of an 8-bit image.

The image itself has 8 bits already. The outputs of operators that only move values, such as a pixel shuffle, are
already rounded.
"""

import copy
import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import FusedMovingAvgObsFakeQuantize, MovingAverageMinMaxObserver
from torch.nn import functional as F
from torch.nn.utils import parametrize

from searchspace.architecture import Built
from searchspace.bicubic import enlarge_as_matlab
from searchspace.errors import UserError
from searchspace.layers import ColourShift, deployed
from searchspace.strategies.colours import rgb_to_ycbcr, ycbcr_to_rgb
from searchspace.tracer import Tracer

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers whose weights and inputs are rounded."""
RELUS = (nn.ReLU, F.relu, torch.relu, "relu", "relu_")
"""Operators that a runtime computes together with the operator before them."""
ROUNDED = (
    *CONVOLUTIONS,
    *RELUS,
    *(nn.PReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid),
    *(F.conv2d, F.prelu, F.leaky_relu, F.gelu, F.silu, F.sigmoid, torch.sigmoid, torch.tanh),
    *(operator.add, operator.sub, operator.mul, operator.iadd, operator.imul, operator.truediv),
    *(torch.add, torch.sub, torch.mul, torch.cat, torch.stack),
)
"""Operators whose output is rounded."""
MOVES = (
    *(nn.PixelShuffle, nn.PixelUnshuffle, nn.Identity, nn.MaxPool2d, nn.ZeroPad2d),
    *(nn.ReflectionPad2d, nn.ReplicationPad2d, F.pixel_shuffle, F.pixel_unshuffle, F.pad),
    *(operator.getitem, torch.chunk, torch.split, torch.flatten, torch.reshape, torch.movedim),
    *("chunk", "split", "flatten", "reshape", "view", "movedim", "permute", "transpose"),
    *("contiguous", "expand", "repeat", "repeat_interleave", "unsqueeze", "squeeze"),
)
"""Operators whose output consists of values of their input and zeros."""
WHOLE = (enlarge_as_matlab, rgb_to_ycbcr, ycbcr_to_rgb)
"""Functions that are traced as one operator and compute in full precision."""
AVERAGING = 0.01
"""Share of the way by which a range shrinks in each step towards the values of the step."""
LARGEST = 127
"""The largest rounded weight. -128 is not used, so that the values are symmetric around 0."""
SMALLEST = 1e-12
"""Scale of a channel whose weights are all 0. Also the smallest value for which `Root` has a gradient."""
EXAMPLE = (1, 3, 16, 16)
"""Shape of the image on which `rounded` runs a network to find the operators that return real numbers."""


class Rounding(FusedMovingAvgObsFakeQuantize):
    """Rounds a tensor of any shape to 256 values. The range follows the tensor in training mode and is fixed otherwise.

    Example: if the largest values of four steps are 1, 3, 1 and 1, the range ends at 1, 3, 2.98 and 2.9602. A moving
    average alone would end at 1, 1.02, 1.0198 and 1.0196, because it moves a hundredth of the way in both directions.
    After a training of a hundred steps, it would still depend on the first batch, and clip most batches.
    """

    def __init__(self) -> None:
        super().__init__(
            observer=MovingAverageMinMaxObserver,
            quant_min=0,
            quant_max=255,
            dtype=torch.quint8,
            averaging_constant=AVERAGING,
        )

        # A checkpoint must not set these two flags. Only `forward` observes values, in training mode.
        for name in ("observer_enabled", "fake_quant_enabled"):
            self.register_buffer(name, getattr(self, name), persistent=False)
        self.disable_observer()

    def forward(self, x: Tensor) -> Tensor:
        """Returns the rounded tensor. In training mode, the range first grows to hold all values of `x`."""
        if self.training:
            smallest, largest = x.detach().aminmax()
            ends = self.activation_post_process
            ends.min_val.copy_(torch.minimum(ends.min_val, smallest))
            ends.max_val.copy_(torch.maximum(ends.max_val, largest))
            # The moving average needs only these two values. A look at `x` itself would search them again.
            self.observer_enabled.fill_(1)
            super().forward(torch.stack((smallest, largest)))
            self.observer_enabled.fill_(0)
        rounded: Tensor = super().forward(x)
        return rounded

    @property
    def grid(self) -> "Grid":
        """The values to which the tensor is rounded."""
        return Grid(scale=float(self.scale), zero_point=int(self.zero_point))


class Root(nn.Module):
    """The square root with a gradient of 0, instead of infinity, at 0.

    Contrast attention takes the root of a variance. Rounding can make a channel constant, and its variance is then 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Returns the root of each value of `x`. In training mode, values below SMALLEST count as SMALLEST."""
        return x.clamp_min(SMALLEST).sqrt() if self.training else x.sqrt()


class WeightRounding(nn.Module):
    """Rounds a weight to 255 values for each output channel. `axis` is the dimension of the output channels."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        """Returns the rounded weight. The largest absolute value of each channel does not change."""
        others = [dim for dim in range(weight.dim()) if dim != self.axis]
        scale = (weight.detach().abs().amax(others) / LARGEST).clamp_min(SMALLEST)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, scale, zero, self.axis, -LARGEST, LARGEST
        )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The 256 values scale * (q - zero_point) of a rounded tensor, for q from 0 to 255."""

    scale: float
    zero_point: int


COLOURS = Grid(scale=1 / 255, zero_point=0)
"""The values of an 8-bit image in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The grids of one execution of a convolution."""

    name: str
    """Name of the layer in `Rounded`. A layer that runs several times has one entry for each run, in order."""
    source: Grid | None
    """Grid of the input, or None if the input is not rounded."""
    result: Grid | None
    """Grid of the output, or of the ReLU after it. None if neither is rounded."""


class Rounded(nn.Module):
    """A folded network with simulated rounding. Maps (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) in [0, 1], for scale s."""

    built: Built
    """The architecture and the scale of the network."""
    quantize = "int8"
    """The value of the setting `train.quantize` that builds this class. Other networks lack this attribute."""

    def __init__(self, graph: fx.GraphModule, built: Built) -> None:
        super().__init__()
        self.net, self.built = graph, built
        self.rounds_output = True

    def forward(self, x: Tensor) -> Tensor:
        colours = self.net(x).clamp(0, 1)
        if not self.rounds_output:
            return colours
        grid = COLOURS
        return torch.fake_quantize_per_tensor_affine(colours, grid.scale, grid.zero_point, 0, 255)

    def is_finite(self) -> bool:
        """Returns whether all weights and ranges are finite. Rounding hides NaN from the loss."""
        tensors = [
            *self.parameters(),
            *(m.scale for m in self.modules() if isinstance(m, Rounding)),
        ]
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def learnt(self) -> list[Learnt]:
        """Returns the grids of all convolutions, in the order in which they run."""
        modules = dict(self.net.named_modules())
        return [
            Learnt(
                name=f"net.{node.target}",
                source=_grid(_origin(node.args[0], modules), modules),
                result=_grid(_reader(node, modules), modules),
            )
            for node in self.net.graph.nodes
            if isinstance(_kind(node, modules), CONVOLUTIONS)
        ]

    def without_rounding(self) -> "Rounded":
        """Returns a copy that does not round activations. It still rounds weights and clips its output."""
        copied = copy.deepcopy(self)
        copied.rounds_output = False
        modules = dict(copied.net.named_modules())
        for node in list(copied.net.graph.nodes):
            if isinstance(_kind(node, modules), Rounding):
                node.replace_all_uses_with(node.args[0])
                copied.net.graph.erase_node(node)
        copied.net.delete_all_unused_submodules()
        copied.net.recompile()
        return copied


def rounded(network: nn.Module) -> Rounded:
    """Returns a folded copy of `network` that simulates the rounding of INT8. `network` stays unchanged.

    `network` must come from `Architecture.network` and may have any weights. Raises UserError with one line if its
    family cannot be rounded.
    """
    built: Built = network.built  # type: ignore[assignment]
    plain = deployed(network)
    if any(isinstance(part, ColourShift) and part.mixes for part in plain.modules()):
        raise UserError(
            f"{built.architecture.label}: cannot be quantised, because the colour shift of its weights mixes colours"
        )
    try:
        graph = fx.GraphModule(plain, Tracer(WHOLE).trace(plain))
    except Exception as error:  # a forward that branches on values can raise any type of error
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{built.architecture.label}: cannot be quantised, because torch.fx cannot trace it ({reason})"
        ) from None
    _round_weights(graph)
    for node in _to_round(graph):
        name = f"rounding_{node.name}"
        graph.add_submodule(name, Rounding())
        with graph.graph.inserting_after(node):
            made = graph.graph.call_module(name, (node,))
        node.replace_all_uses_with(made, lambda user, made=made: user is not made)  # type: ignore[misc]
    for node in graph.graph.nodes:
        if node.target in (torch.sqrt, "sqrt"):
            name = f"root_{node.name}"
            graph.add_submodule(name, Root())
            node.op, node.target, node.kwargs = "call_module", name, {}
    graph.recompile()
    return Rounded(graph, built).train(network.training)


def _round_weights(graph: fx.GraphModule) -> None:
    """Rounds the weights of all layers, including layers inside parts that are traced as one operator."""
    for part in list(graph.modules()):
        if isinstance(part, CONVOLUTIONS):
            axis = 1 if isinstance(part, nn.ConvTranspose2d) else 0
            parametrize.register_parametrization(part, "weight", WeightRounding(axis))


def _to_round(graph: fx.GraphModule) -> list[fx.Node]:
    """Returns the nodes whose outputs are rounded."""
    modules = dict(graph.named_modules())
    real = _Real(graph)
    with torch.no_grad():
        real.run(torch.rand(EXAMPLE, generator=torch.Generator().manual_seed(0)))
    read = {
        _origin(node.args[0], modules)
        for node in graph.graph.nodes
        if isinstance(_kind(node, modules), CONVOLUTIONS)
    }
    return [
        node
        for node in graph.graph.nodes
        if node in real.found
        and node.op not in ("placeholder", "output", "get_attr")
        and (node in read or _is(node, ROUNDED, modules))
        and not (_only_relu(node, modules))
    ]


class _Real(fx.Interpreter):
    """Finds the nodes whose results are floating-point tensors with at least three dimensions."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.found: set[fx.Node] = set()

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.is_floating_point() and result.dim() > 2:
            self.found.add(n)
        return result


def _kind(node: fx.Node, modules: dict[str, nn.Module]) -> object:
    """Returns the layer, the function or the name of the method that a node calls."""
    return modules[str(node.target)] if node.op == "call_module" else node.target


def _is(node: fx.Node, kinds: tuple[object, ...], modules: dict[str, nn.Module]) -> bool:
    kind = _kind(node, modules)
    layers = tuple(each for each in kinds if isinstance(each, type))
    return isinstance(kind, layers) or any(kind is each or kind == each for each in kinds)


def _origin(node: Any, modules: dict[str, nn.Module]) -> fx.Node:
    """Returns the node that computed the values of `node`. Goes back through operators of MOVES."""
    assert isinstance(node, fx.Node)
    while node.args and isinstance(node.args[0], fx.Node) and _is(node, MOVES, modules):
        node = node.args[0]
    return node


def _only_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    users = list(node.users)
    return len(users) == 1 and _is(users[0], RELUS, modules)


def _reader(node: fx.Node, modules: dict[str, nn.Module]) -> fx.Node | None:
    """Returns the only reader of a node, or None if there are several.

    If this reader is a ReLU, returns the only reader of the ReLU, or None.
    """
    if _only_relu(node, modules):
        (node,) = node.users
    return next(iter(node.users)) if len(node.users) == 1 else None


def _grid(node: fx.Node | None, modules: dict[str, nn.Module]) -> Grid | None:
    """Returns the grid of a node that rounds, or the grid of colours for the image. Returns None for any other node."""
    if node is None:
        return None
    if node.op == "placeholder":
        return COLOURS
    kind = _kind(node, modules)
    return kind.grid if isinstance(kind, Rounding) else None
