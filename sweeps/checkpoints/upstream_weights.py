"""Loads weights into networks, from srsweep's own checkpoints and from checkpoints of the authors' code.

`foreign_file` reads the tensors of a file. This module assigns the tensors to a network.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from searchspace.architecture import Architecture, Built, architecture
from searchspace.cost.counting.subject import Unfilled
from searchspace.errors import UserError
from searchspace.family import PublicCode
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift
from sweeps.checkpoints.foreign_file import WRAPPERS, StoredWeights, read_file, read_weights
from sweeps.checkpoints.rounding import refuse_other_rounding
from sweeps.checkpoints.tensor_order import Misfit, by_order, units_of
from sweeps.checkpoints.unseen import unseen

__all__ = ["WRAPPERS", "Loaded", "Misfit", "load_weights", "read_weights"]

SHIFT = re.compile(r"(^|\.)(sub_mean|add_mean)\.")
"""Matches tensors of the mean shift of EDSR and its descendants. Each repository registers the mean shift at a
different position."""

BRANCH = re.compile(r"(?:^|\.)(?:up|x)_?([2348])\.")
"""Matches tensors that serve only one scale of a multi-scale network, such as those of CARN's upsample.up2."""

MEAN = re.compile(r"(^|\.)((rgb|image|img)_)?mean$")
"""Matches the name of a constant mean colour, which some forks store."""

THEIRS = "the names and shapes in the file are those of {}"
"""The phrase in a message that names the published network that a file fits."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A report of how a file's tensors were assigned to a network."""

    file: str
    """Name of the file."""
    own: bool
    """Whether srsweep wrote the file and recorded in it the family, knobs and scale of the network."""
    verified: bool
    """Whether tensors were assigned by name. False: by order and shape only."""
    how: str
    """A sentence for people that describes how the tensors were assigned."""
    notes: tuple[str, ...] = ()
    """Notes for people, about what the file does not reveal and about the code that wrote the file."""

    def __str__(self) -> str:
        return "; ".join((f"{self.file}: weights matched {self.how}", *self.notes))


def load_weights(network: nn.Module, path: Path) -> Loaded:
    """Fills `network` from a checkpoint of srsweep or from a checkpoint of the authors' code.

    Tensors are matched by name in two cases: if all names and shapes equal those of the network, or if the names are
    those of a public code that the family knows (`Family.codes`). In the second case, the network is changed where that
    code computes something else. Otherwise, tensors are matched layer by layer in order of registration, which cannot
    tell two layers of equal shape apart. The result reports how tensors were matched, and callers show this to the
    user.

    The number of layers and every shape must agree, so that every tensor of the file is used and every tensor of the
    network is filled. There are four exceptions, all by name:
    - A weight counts as coming before its bias, whatever the order in the file. The g and v of weight norm count as one
      weight. If only the file has weight norm, they are folded into the weight. If only the network has it, they are
      computed from the weight.
    - `sub_mean` and `add_mean` fill the network's mean shift, at any position in the file. They may be missing. If the
      network stores no mean shift, they must equal its constants.
    - Of a multi-scale file (parts named up2, up3, ...), only the part that fits is used.
    - The batch counters of batch norm have no effect and are ignored.

    Raises UserError if the file is not a checkpoint, if reading it would run code, or if its tensors do not fit. Also
    raises UserError for a checkpoint of srsweep with another family, other knobs or another scale, and for a public
    code whose output our network cannot reproduce. The network is then unchanged.
    """
    file = read_file(path)
    built: Built | None = getattr(network, "built", None)
    stated = built is not None and _same_variant(path, file, built)
    refuse_other_rounding(path, file, getattr(network, "quantize", None))
    own = network.state_dict()
    candidates = list(_stripped(file.tensors))
    for stored in candidates:
        if {name: t.shape for name, t in stored.items()} == {n: t.shape for n, t in own.items()}:
            network.load_state_dict(stored)
            notes = () if stated or built is None else unseen(built)
            return Loaded(file=path.name, own=stated, verified=True, how="by name", notes=notes)
    for stored in candidates:
        if built is not None and (found := _code_of(network, stored, built)):
            return _load_known(network, *found, built, path)
    return _load_by_order(network, candidates, built, path)


def _load_known(
    network: nn.Module, code: PublicCode, stored: dict[str, Tensor], built: Built, path: Path
) -> Loaded:
    """Fills the network by the tensor names of a public code, and changes the network so that its output equals the
    code's.
    """
    if code.refused:
        raise UserError(
            f"{path}: the names of its tensors are those of {code.name}, which computes another function than "
            f"{built.architecture.family.name} here: {code.refused}"
        )
    try:
        filled = _filled(network, _named(stored, code, built))
    except Misfit as fault:
        other = _fitting([stored], built)
        instead = "" if other is None else f"; {THEIRS.format(other)}"
        raise UserError(
            f"{path}: weights must fit the network by name, and the names are those of {code.name}, but {fault}{instead}"
        ) from None
    network.load_state_dict(network.state_dict() | filled)
    if code.adapt is not None:
        code.adapt(network)
    notes = (*filter(None, [code.note]), *unseen(built, code))
    return Loaded(
        file=path.name, own=False, verified=True, how=f"by the names of {code.name}", notes=notes
    )


def _load_by_order(
    network: nn.Module, candidates: list[dict[str, Tensor]], built: Built | None, path: Path
) -> Loaded:
    own = network.state_dict()
    faults = []
    other = None if built is None else _fitting(candidates, built)
    instead = "" if other is None else f"; {THEIRS.format(other)}"
    for branch in _branches(candidates[0]) if candidates else [{}]:
        try:
            filled = _filled(network, branch)
        except Misfit as fault:
            faults.append(fault)
        else:
            network.load_state_dict(own | filled)
            shifted = any(SHIFT.search(name) for name in branch)
            how = "by order, not verified" + (", and the mean shift by name" if shifted else "")
            unknown = (
                "the names in the file belong to no code that srsweep knows for this network, so compare the PSNR with "
                "the published one"
            )
            if other is not None:
                unknown = THEIRS.format(other)
            notes = (unknown, *(unseen(built) if built is not None else ()))
            return Loaded(file=path.name, own=False, verified=False, how=how, notes=notes)
    raise UserError(
        f"{path}: weights must fit the network by name or by order, but {faults[0]}{instead}"
    ) from None


def _fitting(candidates: list[dict[str, Tensor]], built: Built) -> str | None:
    """Returns the label of another network whose tensors a public code names and shapes like these. None if there is none.

    Tries the published networks at the scale of the built one, then the built one at other scales.
    """
    family = built.architecture.family
    rows = (Architecture(family=family, spec=row.spec) for row in family.published)
    others = [Built(architecture=other, scale=built.scale) for other in rows]
    others += [Built(architecture=built.architecture, scale=scale) for scale in family.scales]
    for of in others if family.codes else ():
        if of == built:
            continue
        with torch.device("meta"), Unfilled():
            network = of.architecture.network(of.scale)
        for stored in candidates:
            found = _code_of(network, stored, of)
            if found is not None and _fits(network, found[1], found[0], of):
                label = of.architecture.label
                return label if of.scale == built.scale else f"{label} at x{of.scale}"
    return None


def _fits(network: nn.Module, stored: dict[str, Tensor], code: PublicCode, built: Built) -> bool:
    """Returns whether the tensors `stored`, named as in `code`, have the shapes of the network's tensors.

    The mean shift is not compared.
    """
    shifts = _shift_names(network)
    own = {name: t for name, t in network.state_dict().items() if name not in shifts}
    rest = {
        name: t for name, t in stored.items() if not SHIFT.search(name) and not MEAN.search(name)
    }
    try:
        by_order(own, _named(rest, code, built))
    except Misfit:
        return False
    return True


def _named(stored: dict[str, Tensor], code: PublicCode, built: Built) -> dict[str, Tensor]:
    """Returns the tensors `stored`, named as in `code`, in the order in which our network registers them."""
    units = units_of(stored)
    named = code.layers(built.architecture.spec, built.scale)
    shifts = {n: t for n, t in stored.items() if SHIFT.search(n) or MEAN.search(n)}
    return shifts | {
        name: stored[name] for name in chain.from_iterable(units[unit] for unit in named)
    }


def _same_variant(path: Path, file: StoredWeights, built: Built) -> bool:
    """Returns whether srsweep recorded in the file the variant that the network was built from.

    Returns False if the file records no variant. Raises UserError if it records another variant.
    """
    wanted = f"{built.architecture.label} at x{built.scale}"
    if file.variant is not None:
        theirs, label = _stated(file.variant)
        scale = file.variant.get("scale")
        if theirs != built.architecture or scale != built.scale:
            raise UserError(f"{path}: holds weights of {label} at x{scale}, not of {wanted}")
        return True
    if file.training is not None:
        scale = file.training.get("scale")
        if scale != built.scale:
            raise UserError(f"{path}: holds weights for x{scale}, not of {wanted}")
        if file.training.get("architecture") != built.architecture.key:
            raise UserError(f"{path}: holds weights of another network than {wanted}")
        return True
    return False


def _stated(variant: Mapping[str, Any]) -> tuple[Architecture | None, str]:
    """Returns the architecture that a file records, and its label. The architecture is None if it is unknown."""
    family, knobs = str(variant.get("family")), variant.get("knobs")
    try:
        stated = architecture(family, knobs if isinstance(knobs, Mapping) else {})
    except UserError:
        return None, f"{family} {knobs}"
    return stated, stated.label


def _stripped(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yields the tensors, and then again with the first part removed from their names, as long as all names share it."""
    while tensors:
        yield tensors
        first = next(iter(tensors)).partition(".")[0] + "."
        if not all(name.startswith(first) for name in tensors):
            return
        tensors = {name.removeprefix(first): tensor for name, tensor in tensors.items()}


def _code_of(
    network: nn.Module, stored: Mapping[str, Tensor], built: Built
) -> tuple[PublicCode, dict[str, Tensor]] | None:
    """Returns the public code that uses these tensor names, and the tensors in the form of our network."""
    shifts = _shift_names(network)
    rest = {name: t for name, t in network.state_dict().items() if name not in shifts}
    number = len(units_of(rest))
    spec = built.architecture.spec
    for code in built.architecture.family.codes:
        tensors = stored if code.rewrite is None else code.rewrite(spec, stored)
        theirs = {unit for unit in units_of(tensors) if not SHIFT.search(f"{unit}.")}
        theirs = {unit for unit in theirs if not MEAN.search(unit)}
        named = list(code.layers(spec, built.scale))
        unused = {unit for unit in theirs if code.unused and re.search(code.unused, unit)}
        others = theirs.difference(named, unused)
        complete = theirs.issuperset(named) and all(BRANCH.search(unit) for unit in others)
        if complete and (code.refused or len(named) == number):
            return code, dict(tensors)
    return None


def _shift_names(network: nn.Module) -> set[str]:
    """Returns the names of the tensors of the network's mean shift."""
    return {
        f"{name}.{part}"
        for name, module in network.named_modules()
        if isinstance(module, ColourShift)
        for part in ("weight", "bias")
    }


def _branches(stored: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yields all tensors of the file. For a multi-scale file, then yields the tensors that each scale uses."""
    yield stored
    scales = {name: match[1] for name in stored if (match := BRANCH.search(name))}
    for scale in sorted(set(scales.values())):
        yield {name: t for name, t in stored.items() if scales.get(name, scale) == scale}


def _filled(network: nn.Module, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the network's tensors, by name, with the values from the file. Raises Misfit if the file does not fit."""
    own = network.state_dict()
    shifts = {name: t for name, t in stored.items() if SHIFT.search(name)}
    own_shifts = _shift_names(network)
    rest = {name: t for name, t in stored.items() if name not in shifts}
    if not own_shifts:
        rest = {name: t for name, t in rest.items() if not MEAN.search(name)}
        _check_constants({name: t for name, t in stored.items() if name not in rest})
        return by_order(own, rest)
    bare = {name: t for name, t in own.items() if name not in own_shifts}
    if shifts:
        shifted = {name: own[name] for name in own if name in own_shifts}
        ordered = dict(sorted(shifts.items(), key=lambda item: "add_mean" in item[0]))
        values = by_order(shifted, ordered)
        _check_range(shifted, values)
        return values | by_order(bare, rest)
    try:
        return by_order(own, rest)
    except Misfit as fault:
        try:
            return by_order(bare, rest)
        except Misfit:
            raise fault from None


def _check_range(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Raises Misfit if one of the two mean shifts is for colours up to 1 and the other for colours up to 255."""
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
