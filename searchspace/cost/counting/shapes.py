"""Computes the shapes of operators' results on the meta device, faster than torch does.

torch takes about a millisecond for each operator. The functions here cover only common arguments and return None for
all others. torch then computes the shape, or raises an error if the network cannot run.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

aten = torch.ops.aten


def worked_out(func: Any, args: tuple[Any, ...]) -> Any:
    """Works out the shape of the result of the operator `func` without calling it, and returns empty tensors of that shape
    on the meta device.

    Returns None if this module does not cover the operator or its arguments. Torch must then compute the shape. Raises
    RuntimeError if a transposed convolution gets the wrong number of channels.
    """
    known = func in _SHAPES or func in _SHAPES_OF_ALL or func in _SHAPES_WITH_INDICES
    if not known or not _all_plain(args):
        return None
    if func in _SHAPES_WITH_INDICES:
        shape = _SHAPES_WITH_INDICES[func](*args)
        return None if shape is None else (_empty(shape), _empty(shape, torch.int64))
    if func in _SHAPES:
        shape = _SHAPES[func](*args)
        return None if shape is None else _empty(shape)
    shapes = _SHAPES_OF_ALL[func](*args)
    return None if shapes is None else tuple(map(_empty, shapes))


def _empty(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _all_plain(args: Iterable[Any]) -> bool:
    """Returns whether all tensors are float32 on the meta device and no argument is complex.

    If so, the result is float32 too.
    """
    for arg in args:
        if isinstance(arg, Tensor):
            if arg.dtype != torch.float32 or not arg.is_meta:
                return False
        elif isinstance(arg, list):
            if arg and isinstance(arg[0], Tensor) and not _all_plain(arg):
                return False
        elif isinstance(arg, complex):
            return False
    return True


def _common_shape(*operands: Any) -> Sequence[int] | None:
    shapes = {each.shape for each in operands if isinstance(each, Tensor)}
    if len(shapes) == 1:
        return shapes.pop()
    try:
        # torch.broadcast_shapes would import sympy, which takes half a second.
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _shuffled_shape(x: Tensor, factor: int) -> list[int] | None:
    if x.dim() < 3 or factor < 1 or x.shape[-3] % factor**2:
        return None
    *outer, channels, height, width = x.shape
    return [*outer, channels // factor**2, factor * height, factor * width]


def _convolved_shape(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    is_transposed: bool,
    output_padding: list[int],
    groups: int,
) -> list[int] | None:
    # A transposed weight is (in, out/groups, k, k), any other (out, in/groups, k, k).
    first, second, *kernel = weight.shape
    inputs, outputs = (first, second * groups) if is_transposed else (second * groups, first)
    fits = x.dim() == weight.dim() and x.shape[1] == inputs and not first % groups
    if is_transposed and not fits:
        # On the meta device torch does not notice the mistake.
        raise RuntimeError(f"a transposed convolution of {inputs} channels is given {[*x.shape]}")
    if not fits or (bias is not None and bias.shape != (outputs,)):
        return None
    # padding="valid" passes one number for both dimensions.
    hows = (
        n * len(kernel) if len(n) == 1 else n for n in (stride, padding, dilation, output_padding)
    )
    sizes = zip(x.shape[2:], kernel, *hows, strict=True)
    if is_transposed:
        sides = [(n - 1) * s - 2 * p + d * (k - 1) + more + 1 for n, k, s, p, d, more in sizes]
    else:
        sides = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d, _ in sizes]
    return [x.shape[0], outputs, *sides] if min(sides) > 0 else None


def _joined_shape(parts: list[Tensor], along: int = 0) -> list[int] | None:
    shapes = [list(part.shape) for part in parts]
    dims = {len(shape) for shape in shapes}
    if len(dims) != 1 or not -max(dims) <= along < max(dims):
        return None
    joined = sum(shape[along] for shape in shapes)
    for shape in shapes:
        shape[along] = joined
    return shapes[0] if all(shape == shapes[0] for shape in shapes) else None


def _stacked_shape(parts: list[Tensor], along: int = 0) -> list[int] | None:
    shapes = {part.shape for part in parts}
    if len(shapes) != 1:
        return None
    shape = list(shapes.pop())
    if not -len(shape) - 1 <= along <= len(shape):
        return None
    shape.insert(along % (len(shape) + 1), len(parts))
    return shape


def _mean_shape(x: Tensor, dims: list[int] | None, keepdim: bool = False) -> list[int] | None:
    if not dims or not all(-x.dim() <= dim < x.dim() for dim in dims):
        return None
    averaged = {dim % x.dim() for dim in dims}
    if len(averaged) < len(dims):
        return None
    sizes = enumerate(x.shape)
    return [1 if dim in averaged else size for dim, size in sizes if keepdim or dim not in averaged]


def _resized_shape(x: Tensor, size: list[int], *rest: Any) -> list[int] | None:
    if x.dim() != 4 or len(size) != 2 or min(*size, *x.shape) < 1:
        return None
    return [*x.shape[:2], *size]


def _pooled_shape(
    x: Tensor, kernel: list[int], stride: list[int] | None = None, *rest: Any
) -> list[int] | None:
    """Returns the shape after pooling without padding. Returns None for other arguments, or if the window is too large."""
    steps = stride or kernel
    if rest or x.dim() != 4 or len(kernel) != 2 or len(steps) != 2 or min(*kernel, *steps) < 1:
        return None
    sizes = zip(x.shape[2:], kernel, steps, strict=True)
    sides = [(n - k) // s + 1 if n >= k else 0 for n, k, s in sizes]
    return [*x.shape[:2], *sides] if min(sides) > 0 else None


def _shapes_of_layer_norm(
    x: Tensor, normalized: list[int], *rest: Any
) -> list[Sequence[int]] | None:
    kept = x.dim() - len(normalized)
    shapes = {each.shape for each in rest if isinstance(each, Tensor)} | {x.shape[max(kept, 0) :]}
    if kept < 0 or not normalized or shapes != {torch.Size(normalized)}:
        return None
    statistic = [*x.shape[:kept], *[1] * len(normalized)]
    return [x.shape, statistic, statistic]


def _shapes_of_batch_norm(
    x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *rest: Any
) -> list[Sequence[int]] | None:
    """Returns the shapes of the output and of two empty statistics, or None in training mode."""
    of_channels = {each.shape for each in (weight, bias, mean, variance) if each is not None}
    if training or of_channels != {x.shape[1:2]}:
        return None
    return [x.shape, [0], [0]]


"""The only operator here whose results have different types."""

_SHAPES: dict[Any, Callable[..., Sequence[int] | None]] = {
    aten.convolution.default: _convolved_shape,
    aten.relu.default: _common_shape,
    aten.leaky_relu.default: _common_shape,
    aten.sigmoid.default: _common_shape,
    aten.gelu.default: _common_shape,
    aten.silu.default: _common_shape,
    aten.sqrt.default: _common_shape,
    aten.clamp.default: _common_shape,
    aten.pow.Tensor_Scalar: _common_shape,
    aten.mean.dim: _mean_shape,
    aten.add.Tensor: _common_shape,
    aten.sub.Tensor: _common_shape,
    aten.mul.Tensor: _common_shape,
    aten.div.Tensor: _common_shape,
    aten.cat.default: _joined_shape,
    aten.stack.default: _stacked_shape,
    aten.pixel_shuffle.default: _shuffled_shape,
    aten.upsample_bicubic2d.default: _resized_shape,
    aten.upsample_bilinear2d.default: _resized_shape,
    aten.upsample_nearest2d.default: _resized_shape,
    aten._prelu_kernel.default: lambda x, weight: x.shape,
}
"""Shape functions of operators that return one new tensor. A function returns None if torch must compute the shape."""

_SHAPES_WITH_INDICES: dict[Any, Callable[..., Sequence[int] | None]] = {
    aten.max_pool2d_with_indices.default: _pooled_shape,
    aten.adaptive_max_pool2d.default: _resized_shape,
}
"""Shape functions of operators that return values, and a 64-bit index for each value."""

_SHAPES_OF_ALL: dict[Any, Callable[..., list[Sequence[int]] | None]] = {
    aten.native_layer_norm.default: _shapes_of_layer_norm,
    aten.native_batch_norm.default: _shapes_of_batch_norm,
}
"""Shape functions of operators that return several tensors."""
