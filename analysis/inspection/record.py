"""Records what happens in one forward pass of a network: the output of each block, activations, and concatenations.

The hooks are the same for every family. `Family.stages` says which modules are blocks. Activations and concatenations
are intercepted as calls of torch functions, whether a module or a plain function makes them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from analysis.inspection.spectrum import Spectrum, spectrum
from searchspace.stages import Stages

ACTIVATIONS: dict[Any, str] = {
    torch.relu: "relu",
    torch.relu_: "relu",
    Tensor.relu: "relu",
    Tensor.relu_: "relu",
    F.relu: "relu",
    F.relu6: "relu6",
    F.hardtanh: "relu6",  # what nn.ReLU6 calls
    F.leaky_relu: "leaky_relu",
    torch.prelu: "prelu",
    F.prelu: "prelu",
    F.gelu: "gelu",
    F.silu: "silu",
    F.elu: "elu",
    F.hardswish: "hardswish",
}
"""The activations that are recorded. Gates such as a sigmoid are not recorded, because they multiply features."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Measurements of one block: its output, and the difference from its input.

    All means are over all elements of a feature map.
    """

    number: int
    """Position of the block in the order of the calls, starting at 1. The input of the first block has the number 0."""
    module: str
    """The name of the first module of the block; 'input' for number 0."""
    shape: tuple[int, int, int]
    """Channels, rows and columns of the output."""
    spectrum: Spectrum
    """The spectrum of the output."""
    mean_abs: float
    """The mean absolute value of the output."""
    residual: float = float("nan")
    """The mean absolute value of the output minus the input. NaN if their shapes differ."""
    residual_share: float = float("nan")
    """`residual` divided by the mean absolute value of the input."""
    residual_high_share: float = float("nan")
    """The share of high frequencies in the variance of the output minus the input."""


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One call of an activation."""

    block: int
    """The number of the block in which the activation was called; 0 outside all blocks."""
    module: str
    """The name of the innermost module that called the activation."""
    function: str
    zeros: float
    """The share of the outputs that are exactly 0."""
    negative: float
    """The share of the inputs that are below 0."""
    pixels: int
    """Height times width of the feature map. It is 1 inside a gate, after the gate's global pooling."""


@dataclass(kw_only=True)
class Record:
    """The measurements recorded in one forward pass."""

    blocks: list[Block] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    sources: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """For each pool layer, the name and the number of channels of each feature in its input, in order."""


@contextmanager
def recording(network: nn.Module, stages: Stages) -> Iterator[Record]:
    """Yields a record, which the forward pass of `network` in the `with` block fills.

    The record is complete after the `with` block. The pass must run a batch of one image.
    """
    recorder = _Recorder(network, stages)
    with ExitStack() as stack:
        for name, part in network.named_modules():
            if not name:
                continue
            for handle in (
                part.register_forward_pre_hook(recorder.entering(name)),
                part.register_forward_hook(recorder.leaving(name)),
            ):
                stack.callback(handle.remove)
        stack.enter_context(recorder)
        yield recorder.record
    recorder.end_block()


@dataclass(kw_only=True)
class _Open:
    """The block that is currently running."""

    module: str
    entry: Tensor
    output: Tensor | None = None


class _Recorder(TorchFunctionMode):
    def __init__(self, network: nn.Module, stages: Stages) -> None:
        super().__init__()
        self.record = Record()
        self.first = set(stages.first(network))
        self.last = set(stages.last(network))
        self.pools = set(stages.pool_layers(network))
        self.path: list[str] = []
        """The names of the modules that are currently running, the innermost last."""
        self.open: _Open | None = None
        self.number = 0
        self.names = WeakIdKeyDictionary()
        """The name of each tensor that a module has returned."""
        self.joined = WeakIdKeyDictionary()
        """The names and widths of the parts of each concatenated tensor."""

    def entering(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_module: nn.Module, args: tuple[Any, ...]) -> None:
            self.path.append(name)
            entry = _tensor(args)
            if name in self.first and entry is not None:
                self.begin_block(name, entry)
            if name in self.pools and entry is not None and entry in self.joined:
                self.record.sources[name] = [
                    (part or f"input {place}", width)
                    for place, (part, width) in enumerate(self.joined[entry], 1)
                ]

        return hook

    def leaving(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(_module: nn.Module, _args: tuple[Any, ...], result: Any) -> None:
            self.path.pop()
            output = _tensor(result)
            if output is None:
                return
            label = name
            if self.open is not None and name in self.last:
                self.open.output = output
                label = self.names[output] = f"block {self.number}"
            elif output not in self.names:
                self.names[output] = name
            for place, other in enumerate(result[1:] if isinstance(result, tuple) else (), 2):
                if isinstance(other, Tensor):
                    self.names[other] = f"{label}, output {place}"

        return hook

    def begin_block(self, name: str, entry: Tensor) -> None:
        self.end_block()
        if not self.record.blocks:
            self.record.blocks.append(_block(0, "input", None, entry))
        self.number += 1
        # A later layer may overwrite its input in place.
        self.open = _Open(module=name, entry=entry.clone())

    def end_block(self) -> None:
        done, self.open = self.open, None
        if done is not None and done.output is not None:
            self.record.blocks.append(_block(self.number, done.module, done.entry, done.output))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        function = ACTIVATIONS.get(func)
        if function is not None and isinstance(args[0], Tensor):
            negative = _share(args[0] < 0)
            result = func(*args, **kwargs)
            self.record.activations.append(
                Activation(
                    block=self.number if self.last.intersection(self.path) else 0,
                    module=self.path[-1] if self.path else "",
                    function=function,
                    zeros=_share(result == 0),
                    negative=negative,
                    pixels=result.shape[2:].numel(),
                )
            )
            return result
        result = func(*args, **kwargs)
        if func in (torch.cat, torch.concat):
            self.joined[result] = self._parts(args[0])
        return result

    def _parts(self, tensors: Any) -> list[tuple[str, int]]:
        parts: list[tuple[str, int]] = []
        for tensor in tensors:
            known = self.joined.get(tensor)
            parts += known if known else [(self.names.get(tensor, ""), tensor.shape[1])]
        return parts


def _tensor(value: Any) -> Tensor | None:
    """Returns `value`, or its first element if it is a tuple. Returns None if this is not a feature map (N, C, H, W)."""
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, Tensor) and value.ndim == 4 else None


def _block(number: int, module: str, entry: Tensor | None, output: Tensor) -> Block:
    features = output[0].float()
    channels, rows, columns = features.shape
    facts: dict[str, float] = {}
    if entry is not None and entry.shape == output.shape:
        before = entry[0].float()
        residual = features - before
        size, whole = float(residual.abs().mean()), float(before.abs().mean())
        facts = {
            "residual": size,
            "residual_share": size / whole if whole > 0 else float("nan"),
            "residual_high_share": spectrum(residual).high_share,
        }
    return Block(
        number=number,
        module=module,
        shape=(channels, rows, columns),
        spectrum=spectrum(features),
        mean_abs=float(features.abs().mean()),
        **facts,
    )


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())
