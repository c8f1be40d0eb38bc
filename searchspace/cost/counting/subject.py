"""A network whose costs are counted, with its deployed form and the trace of one forward pass."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from searchspace.cost.counting.shapes import worked_out
from searchspace.layers import Folding, fold

aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One convolution or matrix product of a forward pass."""

    kind: str
    """'conv', 'deconv' or 'matmul'."""
    outputs: int
    """Number of elements in the output."""
    multadds: int
    """Number of multiply-accumulates. A transposed convolution costs kernel size x input channels per group for each
    output element, as in the papers and in thop (docs/facts.md 0)."""
    has_bias: bool
    """Whether the operator adds a bias."""
    channels: int = 1
    """Number of channels of the output; 1 for a matrix product."""
    kernel: int = 1
    """Number of positions of the kernel: 9 for 3x3. 1 for a matrix product."""
    groups: int = 1
    """Number of groups of channels. Equal to the number of input channels for a depthwise convolution."""
    is_depthwise: bool = False
    """Whether each group has one input channel."""


@dataclass(kw_only=True)
class Trace:
    """A record of one forward pass."""

    operators: list[Operator] = field(default_factory=list)
    """The convolutions and matrix products in the order in which they ran."""
    peak_bytes: int = 0
    """The peak memory of the input and the activations, in bytes."""
    others: list[tuple[str, int]] = field(default_factory=list)
    """All other operators that read or write elements, in the order in which they ran. Each entry is (name, elements).
    The name is that of aten, without the underscore of in-place operators. The elements are those of the largest tensor
    that the operator reads or writes."""


@dataclass(kw_only=True)
class Subject:
    """A network on the meta device whose costs are counted, and the size of the input image to count them for."""

    network: nn.Module
    """The network as training builds it: weight norm and `Folding` layers are not folded."""
    low_res: tuple[int, int]
    """Rows and columns of the input image."""
    at_scale: Callable[[int], nn.Module] | None = None
    """Builds the architecture at a given scale. Needed only where a paper counts one network for several scales."""

    @cached_property
    def deployed(self) -> nn.Module:
        """The network for deployment: in evaluation mode, with weight norm and `Folding` layers folded."""
        folds = any(
            isinstance(part, Folding) or parametrize.is_parametrized(part)
            for part in self.network.modules()
        )
        if not folds and not self.network.training:
            return self.network
        with Unfilled():
            return fold(_sharing(self.network).eval())

    @cached_property
    def trace(self) -> Trace:
        """The record of one forward pass of the deployed network, for one image of the size `low_res`."""
        return trace(self.deployed, torch.empty((1, 3, *self.low_res), device="meta"))


def trace(network: nn.Module, low_res: Tensor) -> Trace:
    """Runs `network` on `low_res` (N, 3, H, W) and returns the record of this forward pass.

    The record includes functional calls, not only layers.
    """
    recorder = _Recorder()
    recorder.hold(low_res)
    with torch.no_grad(), recorder:
        network(low_res)
    return recorder.trace


def _sharing(module: nn.Module, known: dict[int, nn.Module] | None = None) -> nn.Module:
    """Returns a copy of `module` and its children. The copy shares its tensors with the original.

    Replacing a child of the copy does not change the original.
    """
    known = {} if known is None else known
    if id(module) not in known:
        copied = known[id(module)] = object.__new__(type(module))
        own = {n: of.copy() if isinstance(of, dict) else of for n, of in vars(module).items()}
        own["_modules"] = {
            name: None if part is None else _sharing(part, known)
            for name, part in module._modules.items()
        }
        vars(copied).update(own)
    return known[id(module)]


class Unfilled(TorchFunctionMode):
    """A context in which initialisers do nothing, because tensors on the meta device hold no values.

    Outside this context, torch runs the initialisers in Python. They take twice as long as all other work and load
    torch's compiler.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLING:
            return args[0] if args else kwargs["tensor"]
        if func is torch.eye:
            return torch.empty(args[0], args[-1], **kwargs)
        if func is torch._weight_norm:
            return args[0].new_empty(args[0].shape)
        if func is torch.norm_except_dim and args[2] == 0:
            return args[0].new_empty((args[0].shape[0], *[1] * (args[0].dim() - 1)))
        return func(*args, **kwargs)


class _Recorder(TorchDispatchMode):
    """Intercepts every operator below autograd, counts its multiply-accumulates, and tracks the memory in use."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Returns False because nothing is compiled. torch's own method would load the compiler, which takes a second."""
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = Trace()
        self.live_bytes = 0
        self.storages: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = None if kwargs else worked_out(func, args)
        if result is None:
            # Slow: torch computes the shape in Python, in about a millisecond.
            result = func(*args, **(kwargs or {}))
        count = _COUNTERS.get(func.overloadpacket)
        if count is not None:
            self.trace.operators.append(count(args, result))
        elif not _is_view(func):
            tensors = [each for each in tree_leaves((args, result)) if isinstance(each, Tensor)]
            most = max((each.numel() for each in tensors), default=0)
            self.trace.others.append((func.overloadpacket.__name__.rstrip("_"), most))
        # A result is usually a single tensor, which needs no search for its parts.
        for tensor in (result,) if isinstance(result, Tensor) else tree_leaves(result):
            if isinstance(tensor, Tensor):
                self.hold(tensor)
        return result

    def hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.storages:
            return
        self.storages.add(key)
        self.live_bytes += storage.nbytes()
        self.trace.peak_bytes = max(self.trace.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._release, key, storage.nbytes())

    def _release(self, key: int, size: int) -> None:
        self.storages.discard(key)
        self.live_bytes -= size


@lru_cache(maxsize=10_000)
def _is_view(func: Any) -> bool:
    """Returns whether an operator returns a view of an argument. Such an operator reads and writes no elements."""
    returns = func._schema.returns
    aliases = [each.alias_info for each in returns]
    return func.overloadpacket is aten._unsafe_view or any(
        alias is not None and not alias.is_write for alias in aliases
    )


def _count_convolution(args: tuple[Any, ...], result: Tensor) -> Operator:
    _, weight, bias, *_, is_transposed, _, groups = args
    # A transposed weight is (in, out/groups, k, k), any other (out, in/groups, k, k). In both cases
    # one output element takes in/groups products for each position of the kernel.
    inputs = weight.shape[0] // groups if is_transposed else weight.shape[1]
    per_output = inputs * weight.shape[2:].numel()
    kind = "deconv" if is_transposed else "conv"
    return Operator(
        kind=kind,
        outputs=result.numel(),
        multadds=result.numel() * per_output,
        has_bias=bias is not None,
        channels=result.shape[1],
        kernel=weight.shape[2:].numel(),
        groups=groups,
        is_depthwise=groups > 1 and inputs == 1,
    )


def _count_product(args: tuple[Any, ...], result: Tensor) -> Operator:
    inner = args[0].shape[-1]
    return Operator(
        kind="matmul", outputs=result.numel(), multadds=result.numel() * inner, has_bias=False
    )


def _count_added_product(args: tuple[Any, ...], result: Tensor) -> Operator:
    inner = args[1].shape[-1]
    return Operator(
        kind="matmul", outputs=result.numel(), multadds=result.numel() * inner, has_bias=True
    )


_FILLING = {
    nn.init.uniform_,
    nn.init.normal_,
    nn.init.constant_,
    nn.init.ones_,
    nn.init.zeros_,
    nn.init.kaiming_uniform_,
    nn.init.kaiming_normal_,
    nn.init.xavier_uniform_,
    nn.init.xavier_normal_,
    Tensor.uniform_,
    Tensor.normal_,
    Tensor.fill_,
    Tensor.zero_,
    Tensor.copy_,
}
"""Functions that write values into their first argument and return it."""

_COUNTERS: dict[Any, Callable[[tuple[Any, ...], Tensor], Operator]] = {
    aten.convolution: _count_convolution,
    aten.mm: _count_product,
    aten.bmm: _count_product,
    aten.addmm: _count_added_product,
    aten.baddbmm: _count_added_product,
}
