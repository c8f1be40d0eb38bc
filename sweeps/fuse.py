"""The same network with the slow parts of its training on a CPU computed otherwise: same parameters, same function.

Three rewrites of the traced graph, each exact but for rounding. A pixel shuffle behind a convolution
moves whole pixels, the convolution's channels being computed in that order. Where a convolution to
colours follows, next to nothing is moved, since it can read the pixels in the order in which they lie.
The gradient of a concatenation is cut into dense pieces: adding strided ones is ten times slower.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

Forward = Callable[[Tensor], Tensor]
"""Low resolution (N, 3, H, W) in [0, 1] -> (N, 3, sH, sW)."""

FEW_COLOURS = 4
"""Channels of one pixel that fit four times into the 16 which a processor computes at once."""


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
        r = self.factor
        weight, bias = _by_place(self.conv, r)
        return _spread(self.conv._conv_forward(x, weight, bias), r)


class ShuffleToColours(nn.Module):
    """A convolution, a pixel shuffle by 2 and a 3x3 convolution to few channels: (N, C, H, W) -> (N, 3, 2H, 2W).

    Two pixels that are neighbours in a row of the shuffled image lie side by side in memory, once the
    first convolution has its channels in that order; two in a column are taken for channels of one.
    What the second convolution computes for a square of four pixels is then one pixel of 12 channels.
    """

    selection: Tensor
    """(2, 2, 3, 3) for rows (a, i, u, k): whether the k-th row of the kernel is met by output row a in input
    row i of the square u, from the one above to the one below."""
    window: Tensor
    """(2, 4, 3) for columns (b, v, l): whether the l-th column of the kernel is met by output column b in
    column v, from the one before the square to the one behind."""

    def __init__(self, conv: nn.Conv2d, to_colours: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.to_colours = conv, to_colours
        tap = torch.arange(3)
        row = 2 * (tap - 1).view(3, 1) + torch.arange(2).view(2, 1, 1) + 1
        row = row - torch.arange(2).view(2, 1, 1, 1)
        column = torch.arange(4).view(4, 1) - torch.arange(2).view(2, 1, 1)
        self.register_buffer("selection", (row == tap).float(), persistent=False)
        self.register_buffer("window", (column == tap).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The enlarged image."""
        colours = self.to_colours
        weight, bias = _by_place(self.conv, 2, columns_first=True)
        squares = self.conv._conv_forward(x, weight, bias).permute(0, 2, 3, 1)
        pairs = squares.unflatten(3, (2, -1)).flatten(2, 3).permute(0, 3, 1, 2)
        kernel = torch.einsum("ockl,aiuk,bvl->aboicuv", colours.weight, self.selection, self.window)
        kernel = kernel.flatten(0, 2).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        bias = None if colours.bias is None else colours.bias.repeat(4)
        return _spread(nn.functional.conv2d(pairs, kernel, bias, stride=(1, 2), padding=1), 2)


def _by_place(
    conv: nn.Conv2d, r: int, *, columns_first: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias with the place within the enlarged pixel (row, column) before the channel."""
    places = (1, 0) if columns_first else (0, 1)

    def ordered(parameter: Tensor) -> Tensor:
        split = parameter.unflatten(0, (-1, r, r)).movedim((1, 2), places)
        return split.flatten(0, 2)

    weight = ordered(conv.weight).contiguous(memory_format=torch.channels_last)
    return weight, None if conv.bias is None else ordered(conv.bias)


def _spread(x: Tensor, r: int) -> Tensor:
    """(N, r * r * C, H, W), places before channels -> (N, C, rH, rW): a shuffle of whole pixels."""
    rows = x.permute(0, 2, 3, 1).unflatten(3, (r, -1)).transpose(2, 3)
    n, h, _, w, _ = rows.shape
    return rows.reshape(n, r * h, r * w, -1).permute(0, 3, 1, 2)


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
    """Whether `node` begins with convolution, shuffle by 2 and 3x3 convolution to colours, now rewritten."""
    conv, shuffle = _conv(traced, node), _only_user(node)
    colours = None if shuffle is None else _only_user(shuffle)
    last = _conv(traced, colours)
    if conv is None or shuffle is None or colours is None or last is None:
        return False
    if _factor(traced, shuffle) != 2 or not _is_3x3(last) or last.out_channels > FEW_COLOURS:
        return False
    _replace(traced, [node, shuffle, colours], ShuffleToColours(conv, last))
    return True


def _shuffle_pixels(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether `node` is a convolution before a shuffle, now rewritten."""
    conv, shuffle = _conv(traced, node), _only_user(node)
    factor = 0 if shuffle is None else _factor(traced, shuffle)
    if conv is None or shuffle is None or not factor:
        return False
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
    called = node is not None and node.op == "call_module"
    return traced.get_submodule(str(node.target)) if called and node is not None else None


def _conv(traced: fx.GraphModule, node: fx.Node | None) -> nn.Conv2d | None:
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
