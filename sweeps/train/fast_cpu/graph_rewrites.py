"""The same network with the slow parts of its training on a CPU computed otherwise: same parameters, same function.

Three rewrites of the traced graph, each exact but for rounding. A pixel shuffle behind a convolution
moves whole pixels, the convolution's channels being computed in that order. Where a convolution to
colours follows, the three are one (`sweeps.train.fast_cpu.upsampler_fusion`).
The gradient of a concatenation is cut into dense pieces: adding strided ones is ten times slower.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from sweeps.train.fast_cpu.upsampler_fusion import (
    FEW_COLOURS,
    ShuffleToColours,
    convolve_by_place,
    spread,
)

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Where a module keeps what is called beside its forward."""

Forward = Callable[[Tensor], Tensor]
"""Low resolution (N, 3, H, W) in [0, 1] -> (N, 3, sH, sW)."""


def fused(network: nn.Module) -> Forward:
    """`network`, set to training and channels-last in memory, computed faster.

    Parameters, buffers and modes are those of `network`, and stay its own. Where it cannot be traced or
    nothing in it is slow, it is returned as it is. A traced forward is fixed: it sees no attribute that is
    changed afterwards.
    """
    try:
        traced = fx.symbolic_trace(network.train())
    except Exception:  # of any kind: a forward may branch on its numbers in any way
        return network
    changes = 0
    for rewrite in (_shuffle_to_colours, _shuffle_pixels, _cut_densely):
        for node in list(traced.graph.nodes):
            changes += rewrite(traced, node)
    traced.recompile()
    return traced if changes else network


class ConvShuffle(nn.Module):
    """A convolution and a pixel shuffle: (N, C, H, W) -> (N, C', rH, rW)."""

    def __init__(self, conv: nn.Conv2d, factor: int) -> None:
        super().__init__()
        self.conv, self.factor = conv, factor

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged features."""
        return spread(convolve_by_place(self.conv, x, self.factor), self.factor)


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> Tensor:
        ctx.channels = [part.shape[1] for part in parts]
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        pieces = gradients[0].split(ctx.channels, 1)
        return tuple(piece.contiguous(memory_format=torch.channels_last) for piece in pieces)


def join(parts: list[Tensor]) -> Tensor:
    """`parts` (N, C, H, W) one behind the other along C."""
    if any(part.dim() != 4 for part in parts):
        return torch.cat(parts, 1)
    return _Join.apply(*parts)  # type: ignore[no-untyped-call]


def _shuffle_to_colours(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether `node` begins with 3x3 convolution, shuffle and 3x3 convolution to colours, now rewritten."""
    conv, shuffle = _conv(traced, node), _only_user(node)
    colours = None if shuffle is None else _only_user(shuffle)
    last = _conv(traced, colours)
    if conv is None or shuffle is None or colours is None or last is None:
        return False
    factor = _factor(traced, shuffle)
    if factor < 2 or not (_is_3x3(conv) and _is_3x3(last)) or last.out_channels > FEW_COLOURS:
        return False
    _replace(traced, [node, shuffle, colours], ShuffleToColours(conv, last, factor))
    return True


def _shuffle_pixels(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether `node` is a convolution before a shuffle, now rewritten."""
    conv, shuffle = _conv(traced, node), _only_user(node)
    factor = 0 if shuffle is None else _factor(traced, shuffle)
    if conv is None or shuffle is None or not factor or conv.groups > 1:
        return False  # the filters of a group read its channels alone: their order is not free
    _replace(traced, [node, shuffle], ConvShuffle(conv, factor))
    return True


def _cut_densely(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether `node` concatenates channels, now rewritten."""
    if node.target is not torch.cat or node.args[1:] != (1,) or node.kwargs:
        return False
    node.target, node.args = join, node.args[:1]
    return True


def _replace(traced: fx.GraphModule, nodes: list[fx.Node], module: nn.Module) -> None:
    """Put `module` in the place of `nodes`, each of which is the only user of the one before."""
    name = f"fused_{nodes[0].name}"
    traced.add_submodule(name, module)
    with traced.graph.inserting_after(nodes[-1]):
        node = traced.graph.call_module(name, nodes[0].args)
    nodes[-1].replace_all_uses_with(node)
    for old in reversed(nodes):
        traced.graph.erase_node(old)


def _module(traced: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    """What `node` calls as `module(x)`, unless hooks do more than its forward does."""
    if node is None or node.op != "call_module" or node.kwargs:
        return None
    module = traced.get_submodule(str(node.target))
    return None if any(getattr(module, name) for name in HOOKS) else module


def _conv(traced: fx.GraphModule, node: fx.Node | None) -> nn.Conv2d | None:
    """The convolution that `node` calls."""
    module = _module(traced, node)
    return module if isinstance(module, nn.Conv2d) else None


def _factor(traced: fx.GraphModule, node: fx.Node) -> int:
    """Of the pixel shuffle that `node` calls; 0 where it is none."""
    module = _module(traced, node)
    return module.upscale_factor if isinstance(module, nn.PixelShuffle) else 0


def _is_3x3(conv: nn.Conv2d) -> bool:
    """Whether it is a plain one with a border of zeros."""
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None
