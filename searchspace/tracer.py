"""Traces a network with `torch.fx`, for code that rewrites its graph."""

from collections.abc import Callable
from typing import Any

from torch import fx, nn


class Tracer(fx.Tracer):
    """A tracer that treats each module with a true attribute `traced_as_one` as one operator.

    The forward pass of such a module depends on the size or the device of the image, and both are unknown during
    tracing. For the same reason, each function in `whole` becomes one operator.
    """

    def __init__(self, whole: tuple[Callable[..., Any], ...] = ()) -> None:
        super().__init__(autowrap_functions=whole)

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return getattr(module, "traced_as_one", False) or super().is_leaf_module(module, name)
