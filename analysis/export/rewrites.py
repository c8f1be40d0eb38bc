"""Rewrites operators that runtimes on phones lack, refuse or execute slowly, as operators that give the same result.

The rewrites work on the traced program, so they serve every family. Results differ by rounding errors only. Files of
ONNX and torch.export are not rewritten.

| operator | becomes |
| --- | --- |
| transposed convolution | convolution and pixel shuffle |
| bicubic resize | depthwise convolution and pixel shuffle |
| layer norm over channels, between two `movedim` | means over channels |
| channel shuffle, which has rank 5 | a reordering of channels |
| pixel unshuffle | depthwise convolution |
| selection without the first and last row | slice |
| addition of at most 1e-12 | nothing |
| crop to a size that depends on whether a side is odd | a selection of rows and columns |
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node, Proxy
from torch.fx.proxy import GraphAppendingTracer
from torch.nn import functional as F

from searchspace.bicubic import cubic_weight, reach

ATEN = torch.ops.aten
SIDES = (6, 7, 24, 35)
"""Sides of the images at which two symbolic sizes are compared, in pixels. Two of them are odd."""
TINY = 1e-12
"""Largest constant whose addition is dropped. Networks add such a constant so that the gradient of a square root stays
finite at 0 in training. The square root of the constant is 1e-6.
"""
PYTORCH_CUBIC = -0.75
"""The parameter a of the cubic kernel that PyTorch uses for resizing."""


def rewritten(program: torch.export.ExportedProgram) -> GraphModule:
    """Returns the module of `program` with the operators in REWRITES replaced, wherever the replacement is exact."""
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    editor = Editor(module)
    for node in list(module.graph.nodes):
        rewrite = REWRITES.get(node.target)
        if rewrite is None:
            continue
        with module.graph.inserting_before(node):
            new = rewrite(editor, node)
        if new is not None:
            new.node.meta = dict(node.meta)  # with the shape that later rewrites read
            node.replace_all_uses_with(new.node)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


class Editor:
    """Adds new operators to the graph of a module, at the graph's insertion point."""

    def __init__(self, module: GraphModule) -> None:
        self.module = module
        self.tracer = GraphAppendingTracer(module.graph)

    def proxy(self, node: Any) -> Any:
        """Returns a stand-in for the result of `node`. Computations on the stand-in become operators of the graph."""
        return Proxy(node, self.tracer)

    def constant(self, like: Node, value: Tensor) -> Any:
        """Adds `value`, a parameter or else a buffer, to the module. It is named after the node `like`."""
        name = f"{like.name}_constant"
        while hasattr(self.module, name):
            name += "_"
        if isinstance(value, nn.Parameter):
            self.module.register_parameter(name, value)
        else:
            self.module.register_buffer(name, value)
        return self.proxy(self.module.graph.get_attr(name))

    def value(self, node: Any) -> Tensor | None:
        """Returns the parameter or buffer that `node` reads, or None if `node` computes something."""
        if node.op != "get_attr":
            return None
        found: Any = self.module
        for part in str(node.target).split("."):
            found = getattr(found, part)
        return found.detach()


def _arguments(node: Node, count: int) -> list[Any]:
    """Returns the first `count` arguments of `node`, with None for missing ones."""
    return [*node.args, *(None,) * count][:count]


def shuffle_weight(weight: Tensor, stride: int, padding: int, groups: int) -> tuple[Tensor, int]:
    """Returns the weight and the padding of a convolution that replaces a transposed convolution.

    The new convolution, followed by a pixel shuffle, gives the same result. `weight` (in, out / groups, k, k) and the
    other arguments describe the transposed convolution. Its output must have `stride` times the height and width of its
    input. The new weight is (out * stride**2, in / groups, m, m).
    """
    inputs, outputs, kernel, _ = weight.shape
    phases = range(stride)
    reach_ = max(
        max((kernel - 1 - phase - padding) // stride, (phase + padding) // stride)
        for phase in phases
    )
    side = 2 * reach_ + 1
    grouped = weight.reshape(groups, inputs // groups, outputs, kernel, kernel)
    new = weight.new_zeros(groups, outputs, stride, stride, inputs // groups, side, side)
    # Row phase p at low-resolution row i reads row i + j through the tap p + padding - stride * j.
    taps = [
        [
            (j + reach_, t)
            for j in range(-reach_, reach_ + 1)
            if 0 <= (t := p + padding - stride * j) < kernel
        ]
        for p in phases
    ]
    for row in phases:
        for column in phases:
            for i, s in taps[row]:
                for j, t in taps[column]:
                    new[:, :, row, column, :, i, j] = grouped[..., s, t].transpose(1, 2)
    return new.reshape(groups * outputs * stride**2, inputs // groups, side, side), reach_


def _transposed_convolution(editor: Editor, node: Node) -> Any:
    x, weight_node, bias_node, *rest = _arguments(node, 8)
    defaults: list[Any] = [[1, 1], [0, 0], [0, 0], 1, [1, 1]]
    stride, padding, extra, groups, dilation = (
        default if given is None else given for given, default in zip(rest, defaults, strict=True)
    )
    weight = editor.value(weight_node)
    if weight is None or any(len(set(pair)) > 1 for pair in (stride, padding, extra, dilation)):
        return None
    kernel, (s, p) = weight.shape[2], (stride[0], padding[0])
    if weight.shape[3] != kernel or dilation[0] != 1 or extra[0] != s + 2 * p - kernel:
        return None  # its output does not have s times the size of its input
    new, around = shuffle_weight(weight, s, p, groups)
    bias = None
    if bias_node is not None:
        value = editor.value(bias_node)
        assert value is not None
        bias = editor.constant(bias_node, value.repeat_interleave(s**2))
    convolved = F.conv2d(
        editor.proxy(x), editor.constant(node, new), bias, padding=around, groups=groups
    )
    return F.pixel_shuffle(convolved, s)


def _bicubic(editor: Editor, node: Node) -> Any:
    x, _, align_corners, _ = _arguments(node, 4)
    if align_corners:
        return None
    factors = {
        _ratio(larger, smaller)
        for larger, smaller in zip(node.meta["val"].shape[2:], x.meta["val"].shape[2:], strict=True)
    }
    if len(factors) > 1 or None in factors:
        return None
    factor = factors.pop()
    assert factor is not None
    p, q = factor.numerator, factor.denominator
    channels = x.meta["val"].shape[1]
    weight = torch.tensor(cubic_weight(p, q, channels, a=PYTORCH_CUBIC))
    wider = _repeat_border(editor.proxy(x), *reach(p, q))
    phases = F.conv2d(wider, editor.constant(node, weight), stride=q, groups=channels)
    return F.pixel_shuffle(phases, p)


def _ratio(larger: Any, smaller: Any) -> Fraction | None:
    """Returns the ratio of two sizes, which may be symbolic, or None if the ratio depends on the size of the image."""
    found = {Fraction(_at(larger, side), _at(smaller, side)) for side in SIDES}
    return found.pop() if len(found) == 1 else None


def _at(size: Any, side: int) -> int:
    """Returns the value of a size, which may be symbolic, for a square image with sides of `side` pixels."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, side)))


def _repeat_border(x: Any, before: int, after: int) -> Any:
    """Repeats the first row and column of (N, C, H, W) `before` times, and the last row and column `after` times."""
    for dim in (2, 3):
        first, last = x.narrow(dim, 0, 1), ATEN.slice.Tensor(x, dim, -1)
        x = torch.cat([first] * before + [x] + [last] * after, dim)
    return x


def _channel_norm(editor: Editor, node: Node) -> Any:
    """Rewrites x.movedim(1, -1), layer norm over the last dimension, movedim(-1, 1)."""
    norm, *back = _arguments(node, 3)
    if not isinstance(norm, Node) or norm.target is not ATEN.layer_norm.default or back != [-1, 1]:
        return None
    moved, shape, weight, bias, eps = _arguments(norm, 5)
    if moved.target is not ATEN.movedim.int or list(moved.args[1:]) != [1, -1] or len(shape) != 1:
        return None
    x = editor.proxy(moved.args[0])
    centred = x - x.mean(1, keepdim=True)
    variance = (centred * centred).mean(1, keepdim=True)
    result = centred * torch.rsqrt(variance + (1e-5 if eps is None else eps))
    for use, value in ((torch.mul, weight), (torch.add, bias)):
        if value is not None:
            tensor = editor.value(value)
            assert tensor is not None
            result = use(result, editor.constant(value, tensor.reshape(1, -1, 1, 1)))
    return result


def _channel_shuffle(editor: Editor, node: Node) -> Any:
    """Rewrites x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)."""
    swapped, *dims = _arguments(node, 3)
    if dims != [1, 2] or swapped.target is not ATEN.transpose.int:
        return None
    split = swapped.args[0]
    if list(swapped.args[1:]) != [1, 2] or split.target is not ATEN.unflatten.int:
        return None
    x, dim, (groups, *_) = split.args
    channels = x.meta["val"].shape[1]
    if dim != 1 or groups * split.meta["val"].shape[2] != channels:
        return None
    order = torch.arange(channels).reshape(groups, -1).T.flatten()
    return editor.proxy(x).index_select(1, editor.constant(node, order))


def _crop(editor: Editor, node: Node) -> Any:
    """Rewrites the crop of an image that was padded to an even size, because torch cannot prove the size of the result."""
    x, dim, start, end = _arguments(node, 4)
    if start not in (None, 0) or not isinstance(end, Node) or len(node.args) > 4:
        return None
    if "Mod" not in str(x.meta["val"].shape[dim]):
        return None
    index = editor.module.graph.call_function(ATEN.arange.default, (end,))
    return editor.proxy(x).index_select(dim, editor.proxy(index))


def _unshuffle(editor: Editor, node: Node) -> Any:
    """Rewrites a pixel unshuffle as a depthwise convolution that selects pixels.

    ExecuTorch plans its memory for the largest value of each symbolic size. For the usual form of a pixel unshuffle, it
    would reserve gigabytes.
    """
    x, factor = _arguments(node, 2)
    channels = x.meta["val"].shape[1]
    weight = torch.eye(factor**2).reshape(factor**2, 1, factor, factor).repeat(channels, 1, 1, 1)
    return F.conv2d(editor.proxy(x), editor.constant(node, weight), stride=factor, groups=channels)


def _border(editor: Editor, node: Node) -> Any:
    """Rewrites the enhanced spatial gate's selection of all rows or columns except the first and the last.

    The original selection repeats the last row of maps with fewer than 7 rows. The rewritten program of free size does
    not, so it accepts larger images only.
    """
    x, dim, index = _arguments(node, 3)
    if index.target is not ATEN.add.Tensor or index.args[1] != 1:
        return None
    if index.args[0].target is not ATEN.clamp.default:
        return None
    size, selected = (value.meta["val"].shape[dim] for value in (x, node))
    if any(_at(selected, side) != _at(size, side) - 2 for side in SIDES[2:]):
        return None
    return ATEN.slice.Tensor(editor.proxy(x), dim, 1, -1)


def _tiny_sum(editor: Editor, node: Node) -> Any:
    """Drops the addition of a tiny constant.

    The quantisation scale of the constant would be 0, and LiteRT's runtime would abort.
    """
    x, constant = _arguments(node, 2)
    tiny = isinstance(constant, float) and abs(constant) <= TINY
    return editor.proxy(x) if tiny else None


REWRITES: dict[Any, Callable[[Editor, Node], Any]] = {
    ATEN.conv_transpose2d.input: _transposed_convolution,
    ATEN.upsample_bicubic2d.vec: _bicubic,
    ATEN.movedim.int: _channel_norm,
    ATEN.slice.Tensor: _crop,
    ATEN.pixel_unshuffle.default: _unshuffle,
    ATEN.index_select.default: _border,
    ATEN.add.Tensor: _tiny_sum,
    ATEN.flatten.using_ints: _channel_shuffle,
}
"""Maps an operator to the function that rewrites it. The function returns None if there is no exact replacement."""
