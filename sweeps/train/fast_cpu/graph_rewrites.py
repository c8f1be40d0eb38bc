"""Rewrites the operators that are slow to train on a CPU. Parameters and function stay the same.

`torch.fx` traces the network, and three rewrites go over its graph. Each is exact up to rounding.

1. A convolution, a pixel shuffle and a convolution to colours become one convolution
   (`sweeps.train.fast_cpu.upsampler_fusion`).
2. A pixel shuffle after any other convolution moves whole pixels instead of single channels. The convolution
   computes its channels in the order that this needs.
3. The gradient of a concatenation is cut into dense pieces. Adding strided pieces is ten times slower.

A worked example, a x2 network of three convolutions:

    head = Conv2d(3, 16, 3)     up = Conv2d(16, 64, 3), PixelShuffle(2)     last = Conv2d(16, 3, 3)

The trace is x -> head -> up -> shuffle -> last. `head` has one user and no shuffle behind it, so it stays. `up`,
`shuffle` and `last` follow each other without another user between them, and `last` has at most FEW_COLOURS
channels, so rewrite 1 replaces the three by one `ShuffleToColours`. For each low-resolution pixel, `up` took
16 * 64 * 9 = 9,216 Mult-Adds and `last`, on four times as many pixels, 4 * 16 * 3 * 9 = 1,728. The fused convolution has
2 * 2 * 3 = 12 filters over 16 channels and 4 x 4 pixels: 12 * 16 * 16 = 3,072. The 64 features of each pixel are
never computed, written or read. If `last` had 8 channels, rewrite 2 would join `up` and `shuffle` alone.
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
"""Attributes that hold the hooks of a module."""

Forward = Callable[[Tensor], Tensor]
"""Maps low resolution (N, 3, H, W) in [0, 1] to (N, 3, sH, sW)."""


def fused(network: nn.Module) -> Forward:
    """Return a faster forward of `network`, which must be channels-last in memory. Sets it to training mode.

    The result shares the parameters and buffers of `network`. If the network cannot be traced, or has nothing to
    rewrite, it is returned unchanged. A traced forward is fixed: it ignores attributes that change afterwards.
    """
    try:
        traced = fx.symbolic_trace(network.train())
    except Exception:  # Of any type: a forward may branch on its values in any way.
        return network
    changes = 0
    for rewrite in (_shuffle_to_colours, _shuffle_pixels, _cut_densely):
        for node in list(traced.graph.nodes):
            changes += rewrite(traced, node)
    traced.recompile()
    return traced if changes else network


class ConvShuffle(nn.Module):
    """A convolution and a pixel shuffle by r: (N, C, H, W) -> (N, C', rH, rW)."""

    def __init__(self, conv: nn.Conv2d, factor: int) -> None:
        super().__init__()
        self.conv, self.factor = conv, factor

    def forward(self, x: Tensor) -> Tensor:
        """Return the enlarged features."""
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
    """Concatenate `parts` (N, C, H, W) along C."""
    if any(part.dim() != 4 for part in parts):
        return torch.cat(parts, 1)
    return _Join.apply(*parts)  # type: ignore[no-untyped-call]


def _shuffle_to_colours(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Rewrite a 3x3 convolution at `node`, the shuffle and the 3x3 convolution to colours behind it; True if done."""
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
    """Rewrite a convolution at `node` and the shuffle behind it; True if done."""
    conv, shuffle = _conv(traced, node), _only_user(node)
    factor = 0 if shuffle is None else _factor(traced, shuffle)
    if conv is None or shuffle is None or not factor or conv.groups > 1:
        return False  # filters of a group read the channels of that group alone, so their order is fixed
    _replace(traced, [node, shuffle], ConvShuffle(conv, factor))
    return True


def _cut_densely(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Rewrite a concatenation of channels at `node`; True if done."""
    if node.target is not torch.cat or node.args[1:] != (1,) or node.kwargs:
        return False
    node.target, node.args = join, node.args[:1]
    return True


def _replace(traced: fx.GraphModule, nodes: list[fx.Node], module: nn.Module) -> None:
    """Replace `nodes`, a chain in which each is the only user of the one before, by `module`."""
    name = f"fused_{nodes[0].name}"
    traced.add_submodule(name, module)
    with traced.graph.inserting_after(nodes[-1]):
        node = traced.graph.call_module(name, nodes[0].args)
    nodes[-1].replace_all_uses_with(node)
    for old in reversed(nodes):
        traced.graph.erase_node(old)


def _module(traced: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    """Return the module that `node` calls as `module(x)`. None for anything else and for a module with hooks."""
    if node is None or node.op != "call_module" or node.kwargs:
        return None
    module = traced.get_submodule(str(node.target))
    return None if any(getattr(module, name) for name in HOOKS) else module


def _conv(traced: fx.GraphModule, node: fx.Node | None) -> nn.Conv2d | None:
    """Return the convolution that `node` calls, or None."""
    module = _module(traced, node)
    return module if isinstance(module, nn.Conv2d) else None


def _factor(traced: fx.GraphModule, node: fx.Node) -> int:
    """Return the factor of the pixel shuffle that `node` calls, or 0."""
    module = _module(traced, node)
    return module.upscale_factor if isinstance(module, nn.PixelShuffle) else 0


def _is_3x3(conv: nn.Conv2d) -> bool:
    """Whether `conv` is a plain 3x3 convolution with a border of zeros."""
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None
