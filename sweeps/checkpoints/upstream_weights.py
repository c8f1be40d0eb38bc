"""Weights from files: our own checkpoints and those of the authors' code."""

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from searchspace.layers import RGB_MEAN_DIV2K, ColourShift

WRAPPERS = ("network", "params_ema", "params", "ema_state_dict", "state_dict", "model", "net")
"""Keys under which checkpoints keep their tensors, ours first; the averaged ones before the plain ones."""

PREFIX = "module."
"""What nn.DataParallel puts before every name."""

KINDS = {
    "weight_g": "g",
    "weight_v": "v",
    "parametrizations.weight.original0": "g",
    "parametrizations.weight.original1": "v",
}
"""Weight norm's two tensors under torch's old names and under its new ones."""

SHIFT = re.compile(r"(^|\.)(sub_mean|add_mean)\.")
"""The mean shift of EDSR and its descendants, wherever their code registers it."""

BRANCH = re.compile(r"(?:^|\.)(?:up|x)_?([2348])\.")
"""One scale's own part of a network for several scales (CARN's upsample.up2, up3 and up4)."""

MEAN = re.compile(r"(^|\.)((rgb|image|img)_)?mean$")
"""A constant mean colour that some forks store."""


class Misfit(ValueError):  # noqa: N818 - reads as what happened
    """Tensors that are not those of the network; the message says where they part."""


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill `network` from a checkpoint of ours or of the authors' code.

    Tensors go by name if all names and shapes are the network's. Otherwise they go layer by layer in
    order of registration, and then the number of layers and every shape must agree, so that each tensor
    of the file is used and each of the network filled. Exceptions, all by name:
    - A weight comes before its bias, in whatever order the file has them. The g and v of weight norm count as
      one weight; they are multiplied where the network has no weight norm, and made where only it has.
    - `sub_mean` and `add_mean` go to the network's mean shift wherever they stand, may be missing, and must
      equal its constants where it does not store any.
    - Of a network for several scales (parts named up2, up3 ...) the part that fits is taken.
    - Batch norm's counters of batches have no effect and are left out.

    Two layers of one shape in another order cannot be told apart: whoever loads foreign weights should
    evaluate them against the published figure.

    Raises ValueError if the file is no checkpoint, if it would have to run code, or if its tensors do
    not fit, naming the first that does not. The network is then as it was.
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
    raise ValueError(
        f"{path}: weights must fit the network by name or by order, but {faults[0]}"
    ) from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint by name, on the CPU, in order, without wrappers and 'module.'.

    Raises ValueError with one line if there are none, or if the file is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path}: must hold tensors and plain values only; it is no checkpoint, or would have to "
            "run code to be read (a whole module: save its state_dict() by the code it came from)"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    tensors = _unwrapped(content)
    if not tensors:
        raise ValueError(
            f"{path}: holds no weights (looked at the top and under {', '.join(WRAPPERS)})"
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
    """One weight, bias or other tensor of a network; a weight-normalised weight is two tensors, g and v."""

    names: tuple[str, ...]
    tensors: tuple[Tensor, ...]

    @property
    def shape(self) -> torch.Size:
        return self.tensors[-1].shape

    def __str__(self) -> str:
        return f"{self.names[-1]} {'x'.join(map(str, self.shape)) or 'scalar'}"


def _entries(tensors: Mapping[str, Tensor]) -> list[_Entry]:
    """The entries in order, layer by layer; in each, a weight before its bias."""
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
    """The file's tensors; then, for a network of several scales, those that each of its scales uses."""
    yield stored
    scales = {name: match[1] for name in stored if (match := BRANCH.search(name))}
    for scale in sorted(set(scales.values())):
        yield {name: t for name, t in stored.items() if scales.get(name, scale) == scale}


def _filled(network: nn.Module, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values for the network's tensors by name; raises Misfit."""
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
            raise Misfit(f"tensor {number}, {other}, meets {entry}; {counts}{_hint(entry, other)}")
        filled |= dict(zip(entry.names, _converted(entry, other), strict=True))
    if len(mine) != len(theirs):
        shorter = min(len(mine), len(theirs))
        longer, where = (mine, "network") if len(mine) > shorter else (theirs, "file")
        raise Misfit(f"{longer[shorter]} of the {where} has no counterpart; {counts}")
    return filled


def _converted(entry: _Entry, other: _Entry) -> tuple[Tensor, ...]:
    """The tensors of `other` in the form, plain or weight-normalised, that `entry` has."""
    if len(entry.names) == len(other.names):
        return tuple(t.reshape(e.shape) for e, t in zip(entry.tensors, other.tensors, strict=True))
    if len(other.names) == 2:
        g, v = other.tensors
        return (g.reshape(-1, *[1] * (v.ndim - 1)) * v / _norm(v),)
    (weight,) = other.tensors
    return (_norm(weight), weight)


def _norm(weight: Tensor) -> Tensor:
    """The Euclidean norm of every output channel, with the dimensions kept."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)


def _hint(entry: _Entry, other: _Entry) -> str:
    """What a person may have meant where a tensor does not fit."""
    bias = [e.names[-1].endswith("bias") for e in (entry, other)]
    if bias[0] != bias[1]:
        owner = "file" if bias[1] else "network"
        return f" (only the {owner} has a bias here: where the family has a knob `bias`, change it)"
    seen = [e.shape[1] if len(e.shape) == 4 else None for e in (entry, other)]
    if {1, 3} == set(seen):
        return f" (the file's network sees {seen[1]} colours: where the family has the knob, colours={seen[1]})"
    return ""


def _check_range(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Misfit where the file's mean shift is for colours up to 1 and the network's for 255, or the reverse."""
    largest = [
        max(float(t.abs().max()) for name, t in shift.items() if name.endswith("bias"))
        for shift in (own, values)
    ]
    if (largest[0] > 2) != (largest[1] > 2):
        raise Misfit(
            f"its mean shift is {largest[1]:.4g}, the network's {largest[0]:.4g}: they see colours of "
            "another range"
        )


def _check_constants(constants: Mapping[str, Tensor]) -> None:
    """Misfit where a mean that the network does not store is another than the one it uses, DIV2K's."""
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
