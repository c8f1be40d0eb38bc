"""Rewrites operators that are slow to train on a CPU. The network keeps its parameters and its output.

`torch.fx` traces the network, and three rewrites change its graph. Each rewrite is exact up to rounding.

1. A convolution, a pixel shuffle and a convolution to colours become one convolution
   (`sweeps.train.fast_cpu.upsampler_fusion`).
2. A pixel shuffle after any other convolution moves whole pixels instead of single channels. To make this possible, the
   convolution computes its output channels in another order.
3. The gradient of a concatenation is cut into dense pieces, because adding strided pieces is ten times slower.

A worked example is this x2 network of three convolutions:

    head = Conv2d(3, 16, 3)     up = Conv2d(16, 64, 3), PixelShuffle(2)     last = Conv2d(16, 3, 3)

The trace is x -> head -> up -> shuffle -> last. `head` has no shuffle behind it, so it is not rewritten. The outputs of
`up` and `shuffle` are used only by the next operator, and `last` has at most FEW_COLOURS output channels. Rewrite 1
therefore replaces all three by one `ShuffleToColours`. For each low-resolution pixel, `up` takes 16 * 64 * 9 = 9,216
Mult-Adds. `last` works on four times as many pixels and takes 4 * 16 * 3 * 9 = 1,728. The fused convolution has
2 * 2 * 3 = 12 filters over 16 channels and 4 x 4 pixels, and takes 12 * 16 * 16 = 3,072. The 64 features of each pixel
are never computed, written or read. If `last` had 8 output channels, rewrite 2 would join only `up` and `shuffle`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from searchspace.tracer import Tracer
from sweeps.train.fast_cpu.upsampler_fusion import (
    FEW_COLOURS,
    ShuffleToColours,
    convolve_by_place,
    spread,
)

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Names of the attributes of a module that hold its hooks."""

Forward = Callable[[Tensor], Tensor]
"""A function that maps low-resolution images (N, 3, H, W) in [0, 1] to images (N, 3, sH, sW), for scale s."""


def fused(network: nn.Module) -> Forward:
    """Returns a faster version of `network`. The parameters of `network` must be channels-last in memory.

    The version shares the parameters and buffers of `network`. Later changes of other attributes of `network` do not
    affect the version. If `network` cannot be traced or has nothing to rewrite, it is returned unchanged. The function
    sets `network` to training mode.
    """
    try:
        tracer = Tracer()
        traced = fx.GraphModule(network.train(), tracer.trace(network))
    except (
        Exception
    ):  # A forward that branches on values can raise any type of error while it is traced.
        return network
    changes = 0
    for rewrite in (_shuffle_to_colours, _shuffle_pixels, _cut_densely):
        for node in list(traced.graph.nodes):
            changes += rewrite(traced, node)
    traced.recompile()
    return traced if changes else network


class ConvShuffle(nn.Module):
    """A convolution and a pixel shuffle by factor r. Maps features (N, C, H, W) to (N, C', rH, rW)."""

    def __init__(self, conv: nn.Conv2d, factor: int) -> None:
        super().__init__()
        self.conv, self.factor = conv, factor

    def forward(self, x: Tensor) -> Tensor:
        """Returns the upscaled features (N, C', rH, rW) of `x` (N, C, H, W)."""
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
    """Concatenates `parts` along dimension 1, the channels. Parts with four dimensions get dense gradients."""
    if any(part.dim() != 4 for part in parts):
        return torch.cat(parts, 1)
    return _Join.apply(*parts)  # type: ignore[no-untyped-call]


def _shuffle_to_colours(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Fuses a 3x3 convolution at `node` with the pixel shuffle and the 3x3 convolution to colours that follow it.

    Returns whether `node` is the start of such a chain.
    """
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
    """Fuses an ungrouped convolution at `node` with the pixel shuffle after it. Returns whether there was such a pair."""
    conv, shuffle = _conv(traced, node), _only_user(node)
    factor = 0 if shuffle is None else _factor(traced, shuffle)
    if conv is None or shuffle is None or not factor or conv.groups > 1:
        return False  # filters of a group read the channels of that group alone, so their order is fixed
    _replace(traced, [node, shuffle], ConvShuffle(conv, factor))
    return True


def _cut_densely(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Rewrites a concatenation of channels at `node`. Returns whether there was one."""
    if node.target is not torch.cat or node.args[1:] != (1,) or node.kwargs:
        return False
    node.target, node.args = join, node.args[:1]
    return True


def _replace(traced: fx.GraphModule, nodes: list[fx.Node], module: nn.Module) -> None:
    """Replaces `nodes` by `module`. The nodes form a chain: each is the only user of the node before it."""
    name = f"fused_{nodes[0].name}"
    traced.add_submodule(name, module)
    with traced.graph.inserting_after(nodes[-1]):
        node = traced.graph.call_module(name, nodes[0].args)
    nodes[-1].replace_all_uses_with(node)
    for old in reversed(nodes):
        traced.graph.erase_node(old)


def _module(traced: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    """Returns the module that `node` calls as `module(x)`.

    Returns None if `node` calls anything else, or a module with hooks.
    """
    if node is None or node.op != "call_module" or node.kwargs:
        return None
    module = traced.get_submodule(str(node.target))
    return None if any(getattr(module, name) for name in HOOKS) else module


def _conv(traced: fx.GraphModule, node: fx.Node | None) -> nn.Conv2d | None:
    """Returns the convolution that `node` calls, or None if it calls none."""
    module = _module(traced, node)
    return module if isinstance(module, nn.Conv2d) else None


def _factor(traced: fx.GraphModule, node: fx.Node) -> int:
    """Returns the factor of the pixel shuffle that `node` calls, or 0 if it calls none."""
    module = _module(traced, node)
    return module.upscale_factor if isinstance(module, nn.PixelShuffle) else 0


def _is_3x3(conv: nn.Conv2d) -> bool:
    """Returns whether `conv` is a plain 3x3 convolution with zero padding of one pixel."""
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None
