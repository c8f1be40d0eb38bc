"""Matches the tensors of a file to those of a network by their order, layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from searchspace.errors import UserError, printed

KINDS = {
    "weight_g": "g",
    "weight_v": "v",
    "parametrizations.weight.original0": "g",
    "parametrizations.weight.original1": "v",
}
"""Maps the names of weight norm's two tensors to their kinds, for old and new versions of torch."""


class Misfit(UserError):  # noqa: N818 - reads as what happened
    """The error for tensors that do not fit the network. The message names the first difference."""


def by_order(own: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns values for the tensors `own`, by name.

    The values are those of `stored`, matched by order. Raises Misfit if they do not fit.
    """
    mine, theirs = _entries(own), _entries(stored)
    counts = f"the network has {len(mine)} tensors, the file {len(theirs)}"
    filled: dict[str, Tensor] = {}
    for number, (entry, other) in enumerate(zip(mine, theirs, strict=False), 1):
        if _bare(entry.shape) != _bare(other.shape):
            difference = f"tensor {number} is {other} in the file but {entry} in the network"
            raise Misfit(f"{difference}; {counts}{_hint(entry, other)}")
        filled |= dict(zip(entry.names, _converted(entry, other), strict=True))
    if len(mine) != len(theirs):
        shorter = min(len(mine), len(theirs))
        longer, where = (mine, "network") if len(mine) > shorter else (theirs, "file")
        raise Misfit(f"{longer[shorter]} of the {where} has no counterpart; {counts}")
    return filled


def units_of(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Returns the names of the tensors of each unit, by the name of the unit. Units and names are in the order of
    `tensors`.

    A unit is a layer with a weight, or any other single tensor.
    """
    units: dict[str, list[str]] = {}
    for name in tensors:
        layer, kind = _split(name)
        if kind != "num_batches_tracked":
            unit = layer if KINDS.get(kind, kind) in ("weight", "bias", "g", "v") else name
            units.setdefault(unit.removesuffix("."), []).append(name)
    return units


def _bare(shape: torch.Size) -> tuple[int, ...]:
    """Returns the shape of the linear layer that is equivalent to a 1x1 convolution.

    Returns any other shape unchanged.
    """
    return tuple(shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape)


def _split(name: str) -> tuple[str, str]:
    """Splits the name of a tensor into the name of its layer, with the final dot, and its kind."""
    kind = next((kind for kind in KINDS if name.endswith(f".{kind}")), name.rpartition(".")[2])
    return name.removesuffix(kind), kind


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One weight, bias or other tensor of a network. A weight under weight norm is two tensors, g and v."""

    names: tuple[str, ...]
    tensors: tuple[Tensor, ...]

    @property
    def shape(self) -> torch.Size:
        return self.tensors[-1].shape

    def __str__(self) -> str:
        return f"{printed(self.names[-1])} {'x'.join(map(str, self.shape)) or 'scalar'}"


def _entries(tensors: Mapping[str, Tensor]) -> list[_Entry]:
    """Returns the entries in order, layer by layer. In each layer, the weight comes before its bias."""
    layers: dict[str, dict[str, str]] = {}
    for name in tensors:
        layer, kind = _split(name)
        if kind != "num_batches_tracked":
            layers.setdefault(layer, {})[KINDS.get(kind, kind)] = name
    entries = []
    for kinds in layers.values():
        pair = (kinds.pop("g"), kinds.pop("v")) if {"g", "v"} <= set(kinds) else ()
        ordered = list(kinds)
        if {"weight", "bias"} <= set(kinds) and ordered.index("bias") < ordered.index("weight"):
            ordered.remove("weight")
            ordered.insert(ordered.index("bias"), "weight")
        groups = ([pair] if pair else []) + [(kinds[kind],) for kind in ordered]
        entries += [_Entry(names=g, tensors=tuple(tensors[name] for name in g)) for g in groups]
    return entries


def _converted(entry: _Entry, other: _Entry) -> tuple[Tensor, ...]:
    """Converts the tensors of `other` to the form of `entry`: plain, or under weight norm."""
    for e in (entry, other):
        # The shape of an entry is that of v, so the size of g is checked separately.
        if len(e.names) == 2 and e.tensors[0].numel() != e.shape[0]:
            raise Misfit(
                f"{e.names[0]} must have {e.shape[0]} values, one for each output channel of {e}, got "
                f"{e.tensors[0].numel()}"
            )
    if len(entry.names) == len(other.names):
        return tuple(t.reshape(e.shape) for e, t in zip(entry.tensors, other.tensors, strict=True))
    if len(other.names) == 2:
        g, v = other.tensors
        return (g.reshape(-1, *[1] * (v.ndim - 1)) * v / _norm(v),)
    (weight,) = other.tensors
    return (_norm(weight), weight)


def _norm(weight: Tensor) -> Tensor:
    """Returns the Euclidean norm of each output channel. All dimensions are kept."""
    weight = weight if weight.is_floating_point() else weight.float()
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)


def _hint(entry: _Entry, other: _Entry) -> str:
    """Returns a likely reason why a tensor does not fit, or ''."""
    bias = [e.names[-1].endswith("bias") for e in (entry, other)]
    if bias[0] != bias[1]:
        owner = "file" if bias[1] else "network"
        return f" (only the {owner} has a bias here; if the family has a knob `bias`, change it)"
    seen = [e.shape[1] if len(e.shape) == 4 else None for e in (entry, other)]
    if {1, 3} == set(seen):
        return f" (the network in the file has {seen[1]} colour channels; if the family has a knob `colours`, set colours={seen[1]})"
    return ""
