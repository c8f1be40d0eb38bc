"""Loads weights from checkpoints, written by srsweep or by the code of a paper's authors."""

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from searchspace.errors import UserError
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift

WRAPPERS = ("network", "params_ema", "params", "ema_state_dict", "state_dict", "model", "net")
"""Keys under which checkpoints keep their tensors, in the order in which they are tried: srsweep's own key first, and
averaged weights before plain weights."""

PREFIX = "module."
"""The prefix that nn.DataParallel puts before the name of every tensor."""

KINDS = {
    "weight_g": "g",
    "weight_v": "v",
    "parametrizations.weight.original0": "g",
    "parametrizations.weight.original1": "v",
}
"""The tensors g and v of weight norm, by their names in old and new versions of torch."""

SHIFT = re.compile(r"(^|\.)(sub_mean|add_mean)\.")
"""Matches tensors of the mean shift of EDSR and its descendants. Each repository registers the mean shift at a
different position."""

BRANCH = re.compile(r"(?:^|\.)(?:up|x)_?([2348])\.")
"""Matches tensors in a part of a multi-scale network that serves one scale, such as CARN's upsample.up2, up3 and up4.
"""

MEAN = re.compile(r"(^|\.)((rgb|image|img)_)?mean$")
"""Matches the name of a constant mean colour, which some forks store."""


class Misfit(UserError):  # noqa: N818 - reads as what happened
    """The error for tensors that do not fit the network. The message names the first difference."""


def load_weights(network: nn.Module, path: Path) -> None:
    """Fills `network` from a checkpoint of srsweep or of a paper's authors.

    If all names and shapes equal the network's, tensors are matched by name. Otherwise they are matched layer by layer
    in order of registration. Then the number of tensors and every shape must agree, so that every tensor of the file is
    used and every tensor of the network is filled. Four kinds of tensors are recognised by name and treated
    differently:
    - A weight counts as coming before its bias, whatever their order in the file. The tensors g and v of weight norm
      count as one weight. If the network has no weight norm, the plain weight is computed from g and v. If only the
      network has weight norm, g and v are computed from the plain weight.
    - `sub_mean` and `add_mean` fill the network's mean shift, wherever the file has them. They may be missing. If the
      network stores no mean shift, they and a stored mean colour must equal the network's constants.
    - In a multi-scale file (parts named up2, up3, ...), the parts for scales that do not fit are ignored.
    - The batch counters of batch norm have no effect and are ignored.

    Matching by order cannot tell two layers of equal shape apart. After loading weights from elsewhere, evaluate the
    network and compare the scores with the published ones.

    Raises UserError if the file is missing or is not a checkpoint, if reading it would run code, or if its tensors do
    not fit. The network is then unchanged.
    """
    stored = read_weights(path)
    own = network.state_dict()
    if {name: t.shape for name, t in stored.items()} == {name: t.shape for name, t in own.items()}:
        network.load_state_dict(stored)
        return
    faults = []
    for branch in _branches(stored):
        try:
            filled = _filled(network, branch)
        except Misfit as fault:
            faults.append(fault)
        else:
            network.load_state_dict(own | filled)
            return
    raise UserError(
        f"{path}: weights must fit the network by name or by order, but {faults[0]}"
    ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a checkpoint by name, on the CPU and in the order of the file.

    Keys that wrap the tensors and the prefix 'module.' are removed. Raises UserError if the file is missing, is not a
    checkpoint, or holds no tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except pickle.UnpicklingError:
        raise UserError(
            f"{path}: must hold only tensors and plain values. This file is not a checkpoint, or reading it would "
            "run code (if it holds a whole module, save its state_dict() with the code that it came from)"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    tensors = _unwrapped(content)
    if not tensors:
        raise UserError(
            f"{path}: holds no weights, neither at the top level nor under {', '.join(WRAPPERS)}"
        )
    if all(name.startswith(PREFIX) for name in tensors):
        return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def _unwrapped(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    known = (Tensor, int, float, str, type(None))
    if tensors and all(isinstance(value, known) for value in content.values()):
        return tensors
    return next((found for key in WRAPPERS if (found := _unwrapped(content.get(key)))), {})


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One weight, bias or other tensor of a network. A weight under weight norm is two tensors, g and v."""

    names: tuple[str, ...]
    tensors: tuple[Tensor, ...]

    @property
    def shape(self) -> torch.Size:
        return self.tensors[-1].shape

    def __str__(self) -> str:
        return f"{self.names[-1]} {'x'.join(map(str, self.shape)) or 'scalar'}"


def _entries(tensors: Mapping[str, Tensor]) -> list[_Entry]:
    """Returns the entries in order, layer by layer. In each layer the weight comes before its bias."""
    layers: dict[str, dict[str, str]] = {}
    for name in tensors:
        kind = next((kind for kind in KINDS if name.endswith(f".{kind}")), name.rpartition(".")[2])
        if kind != "num_batches_tracked":
            layer = name.removesuffix(kind)
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


def _branches(stored: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yields all tensors of the file and then, for a multi-scale file, the tensors that each of its scales uses."""
    yield stored
    scales = {name: match[1] for name in stored if (match := BRANCH.search(name))}
    for scale in sorted(set(scales.values())):
        yield {name: t for name, t in stored.items() if scales.get(name, scale) == scale}


def _filled(network: nn.Module, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the network's tensors, by name, with the values in the file. Raises Misfit if the file does not fit."""
    own = network.state_dict()
    shifts = {name: t for name, t in stored.items() if SHIFT.search(name)}
    own_shifts = {
        f"{name}.{part}"
        for name, module in network.named_modules()
        if isinstance(module, ColourShift)
        for part in ("weight", "bias")
    }
    rest = {name: t for name, t in stored.items() if name not in shifts}
    if not own_shifts:
        rest = {name: t for name, t in rest.items() if not MEAN.search(name)}
        _check_constants({name: t for name, t in stored.items() if name not in rest})
        return _by_order(own, rest)
    bare = {name: t for name, t in own.items() if name not in own_shifts}
    if shifts:
        shifted = {name: own[name] for name in own if name in own_shifts}
        ordered = dict(sorted(shifts.items(), key=lambda item: "add_mean" in item[0]))
        values = _by_order(shifted, ordered)
        _check_range(shifted, values)
        return values | _by_order(bare, rest)
    try:
        return _by_order(own, rest)
    except Misfit as fault:
        try:
            return _by_order(bare, rest)
        except Misfit:
            raise fault from None


def _by_order(own: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    mine, theirs = _entries(own), _entries(stored)
    counts = f"the network has {len(mine)} tensors, the file {len(theirs)}"
    filled: dict[str, Tensor] = {}
    for number, (entry, other) in enumerate(zip(mine, theirs, strict=False), 1):
        if entry.shape != other.shape:
            difference = f"tensor {number} is {other} in the file but {entry} in the network"
            raise Misfit(f"{difference}; {counts}{_hint(entry, other)}")
        filled |= dict(zip(entry.names, _converted(entry, other), strict=True))
    if len(mine) != len(theirs):
        shorter = min(len(mine), len(theirs))
        longer, where = (mine, "network") if len(mine) > shorter else (theirs, "file")
        raise Misfit(f"{longer[shorter]} of the {where} has no counterpart; {counts}")
    return filled


def _converted(entry: _Entry, other: _Entry) -> tuple[Tensor, ...]:
    """Returns the tensors of `other` in the form that `entry` has: a plain weight, or g and v of weight norm."""
    if len(entry.names) == len(other.names):
        return tuple(t.reshape(e.shape) for e, t in zip(entry.tensors, other.tensors, strict=True))
    if len(other.names) == 2:
        g, v = other.tensors
        return (g.reshape(-1, *[1] * (v.ndim - 1)) * v / _norm(v),)
    (weight,) = other.tensors
    return (_norm(weight), weight)


def _norm(weight: Tensor) -> Tensor:
    """Returns the Euclidean norm of each output channel. All dimensions are kept."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)


def _hint(entry: _Entry, other: _Entry) -> str:
    """Returns a guess at why a tensor does not fit, or an empty string."""
    bias = [e.names[-1].endswith("bias") for e in (entry, other)]
    if bias[0] != bias[1]:
        owner = "file" if bias[1] else "network"
        return f" (only the {owner} has a bias here; if the family has a knob `bias`, change it)"
    seen = [e.shape[1] if len(e.shape) == 4 else None for e in (entry, other)]
    if {1, 3} == set(seen):
        return f" (the network in the file has {seen[1]} colour channels; if the family has a knob `colours`, set colours={seen[1]})"
    return ""


def _check_range(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Raises Misfit if one mean shift is for colours up to 1 and the other is for colours up to 255."""
    largest = [
        max(float(t.abs().max()) for name, t in shift.items() if name.endswith("bias"))
        for shift in (own, values)
    ]
    if (largest[0] > 2) != (largest[1] > 2):
        raise Misfit(
            f"its mean shift is {largest[1]:.4g} and the network's is {largest[0]:.4g}: one takes colours up to 1, "
            "the other up to 255"
        )


def _check_constants(constants: Mapping[str, Tensor]) -> None:
    """Raises Misfit if the file holds a mean colour other than the mean of DIV2K.

    The network uses the mean of DIV2K without storing it.
    """
    mean = torch.tensor(RGB_MEAN_DIV2K)
    for name, tensor in constants.items():
        values = tensor.float()
        identity = values.numel() == 9 and torch.equal(values.flatten(1), torch.eye(3))
        known = values.numel() == 3 and any(
            torch.allclose(values.flatten().abs(), mean * largest, rtol=1e-3)
            for largest in (1, 255)
        )
        if not identity and not known:
            raise Misfit(
                f"{name} must be the mean of DIV2K, which the network uses, got {values.flatten().tolist()}"
            )
