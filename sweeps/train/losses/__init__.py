"""Training losses by name. To add one, write a file here that defines a function with the name of the file.

A loss takes the network's output and the original images, both float32 (N, 3, H, W). The originals are in [0, 1], and
the output is close to that range. The loss returns the number to minimize as a scalar tensor, from which PyTorch can
compute gradients.
"""

import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from searchspace.errors import UserError, shown
from searchspace.quantity import parse_quantity

if TYPE_CHECKING:
    from torch import Tensor

Loss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"

LOSSES = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""The names that `train.loss` accepts. A loss is imported only when it is used, because sweep files are read without
torch."""

HEAVIEST = 1e6
"""Maximum weight of a loss in a weighted sum."""


def parse_loss(value: object) -> str | dict[str, float]:
    """Returns the setting `train.loss` in its canonical form: a name, or weights by name in alphabetical order.

    `value` is a name, or a mapping from names to weights. A mapping with a single loss of weight 1 becomes its name.
    Raises UserError for an unknown name, for an empty mapping, and for a weight that is not above 0.
    """
    if isinstance(value, str):
        return _known(value)
    if not isinstance(value, Mapping) or not value:
        raise UserError(
            f"must be one of {', '.join(LOSSES)}, or a mapping from such names to weights, such as "
            f"{{l1: 1.0, fft: 0.05}}, got {shown(value)}"
        )
    weights = {_known(name): _weight(name, weight) for name, weight in value.items()}
    if list(weights.values()) == [1]:
        return next(iter(weights))
    return dict(sorted(weights.items()))


def loss_of(setting: str | Mapping[str, float]) -> Loss:
    """Returns the loss that a value of `parse_loss` describes: one loss, or a weighted sum of losses."""
    if isinstance(setting, str):
        loss: Loss = getattr(import_module(f"{__name__}.{setting}"), setting)
        return loss
    terms = [(weight, loss_of(name)) for name, weight in setting.items()]

    def weighted(super_res: "Tensor", high_res: "Tensor") -> "Tensor":
        (weight, loss), *others = terms
        total = weight * loss(super_res, high_res)
        for weight, loss in others:
            total = total + weight * loss(super_res, high_res)
        return total

    return weighted


def _known(name: object) -> str:
    if isinstance(name, str) and name in LOSSES:
        return name
    raise UserError(f"must be one of {', '.join(LOSSES)}, got {shown(name)}")


def _weight(name: object, value: object) -> float:
    try:
        weight = float(parse_quantity(value))
    except UserError as error:
        raise UserError(f"the weight of {name} {error}") from None
    if not 0 < weight <= HEAVIEST:
        raise UserError(
            f"the weight of {name} must be above 0 and at most {HEAVIEST:,.0f}, got {shown(value)}"
        )
    return weight
