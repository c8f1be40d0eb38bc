"""Starts a training run from existing weights, which may be for another scale.

The file is first loaded into the network that it was written for. This is the network that the file records. If the
file records none, it is the network to train, at its own scale or at another scale of the family. The weights are then
copied by name to the network to train. Where the two networks have 3x3 convolutions of different kinds (the knob
`block`), the convolution to train starts with the kernel that all branches of the other one give together.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from searchspace.architecture import Architecture, Built, architecture
from searchspace.errors import UserError
from searchspace.strategies.branched import Branched
from searchspace.strategies.reparam import Reparameterised
from sweeps.checkpoints.foreign_file import read_file
from sweeps.checkpoints.seal import refuse_damaged
from sweeps.checkpoints.unseen import shapes_of
from sweeps.checkpoints.upstream_weights import load_weights

MOST_NAMED = 3
"""Maximum number of tensors that a message names."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """A report of the tensors that a network took over from a file."""

    source: str
    """For people: a description of the file's content and of how its tensors were matched."""
    taken: tuple[str, ...]
    """Names of the tensors that were taken over."""
    fresh: tuple[str, ...]
    """Names of the tensors that keep their random values, because their shapes depend on the scale."""
    unused: tuple[str, ...] = ()
    """Names of the file's tensors that the network has no place for, whatever its scale."""
    converted: int = 0
    """Number of convolutions that start with the kernel of a convolution of another kind."""

    def __str__(self) -> str:
        total = len(self.taken) + len(self.fresh)
        said = f"starts from {self.source}: {len(self.taken)} of {total} tensors taken over"
        if self.converted:
            said += f"; {self.converted} convolutions are of another kind in the file, and start with its kernels"
        said += f"; new: {_listed(self.fresh)}" if self.fresh else ""
        return said + (f"; not used: {_listed(self.unused)} of the file" if self.unused else "")


def warm_start(network: nn.Module, path: Path) -> Started:
    """Fills `network` from a checkpoint of srsweep or of a public code, and returns what was taken over.

    If the file is for another scale, some tensors may not fit because their shapes depend on the scale. These tensors
    keep their values. Raises UserError if the file holds no weights, if it is damaged, or if any other tensor does not
    fit. The network is then unchanged. The state of torch's random generator never changes.
    """
    built: Built | None = getattr(network, "built", None)
    if built is None:
        raise ValueError("the network must come from Architecture.network, which notes its scale")
    refuse_damaged(path)
    with torch.random.fork_rng(devices=[]):
        source, told = _source(built, path)
    given: Built = source.built  # type: ignore[assignment]
    with torch.random.fork_rng(devices=[]):
        converted = _convert_blocks(source, network)
    theirs, own = source.state_dict(), network.state_dict()
    taken = [n for n, t in own.items() if n in theirs and theirs[n].shape == t.shape]
    fresh = [name for name in own if name not in taken]
    before = shapes_of(built.architecture, given.scale)
    wrong = [name for name in fresh if before.get(name) == own[name].shape]
    if wrong:
        name = wrong[0]
        found = "x".join(map(str, theirs[name].shape)) if name in theirs else "missing"
        wanted = "x".join(map(str, own[name].shape)) or "scalar"
        raise UserError(
            f"{path}: holds weights of {given.architecture.label} at x{given.scale}, which do not fit "
            f"{built.architecture.label} at x{built.scale}: {name} must be {wanted}, but in the file it is {found}"
        )
    network.load_state_dict(own | {name: theirs[name] for name in taken})
    return Started(
        source=f"{given.architecture.label} at x{given.scale} ({told})",
        taken=tuple(taken),
        fresh=tuple(fresh),
        unused=_unused(theirs, own, given, built),
        converted=converted,
    )


def _convert_blocks(source: nn.Module, network: nn.Module) -> int:
    """Replaces convolutions of `source` by those of the kind that `network` has at their place. Returns their number.

    `network` is untrained. A replacement computes the same as the convolution before. Tensor names do not tell the
    kinds apart: the 3x3 branch of an ECB has the names and the shapes of a plain convolution.
    """
    places = dict(network.named_modules())
    changed = 0
    for name, theirs in list(source.named_modules()):
        own = places.get(name)
        if not isinstance(theirs, Branched | nn.Conv2d) or own is None or type(own) is type(theirs):
            continue
        plain = theirs.folded() if isinstance(theirs, Branched) else theirs
        made = _of_kind(own, plain)
        if made is not None:
            place, _, last = name.rpartition(".")
            setattr(source.get_submodule(place), last, made)
            changed += 1
    return changed


def _of_kind(own: nn.Module, plain: nn.Conv2d) -> nn.Module | None:
    """Returns a copy of the untrained convolution `own` that computes what `plain` computes. None if it cannot."""
    if type(own) is nn.Conv2d:
        return plain
    if not isinstance(own, Reparameterised):
        return None
    shape = (own.out_channels, own.in_channels // own.groups, 3, 3)
    if plain.weight.shape != shape or (plain.bias is None) == own.has_bias:
        return None
    made = copy.deepcopy(own).to(plain.weight.device)
    # Not the method of a derived class: with an identity branch, that one adds the input to the convolution.
    Reparameterised.start_from(made, plain.weight, plain.bias)
    return made


def _unused(
    theirs: Mapping[str, Tensor], own: Mapping[str, Tensor], given: Built, built: Built
) -> tuple[str, ...]:
    """Returns the names of the tensors in `theirs` that would not be in `own` at the scale of the file either."""
    if given.architecture == built.architecture:
        return ()
    at_own_scale = shapes_of(given.architecture, built.scale)
    return tuple(name for name in theirs if name not in own and name in at_own_scale)


def check_readable(key: str, path: str | None) -> None:
    """Raises UserError if `path` is given but is not a readable file of weights. The message begins with `key`."""
    if path is None:
        return
    try:
        refuse_damaged(Path(path))
        read_file(Path(path))
    except UserError as error:
        raise UserError(f"{key}: {error}") from None


def stated_architecture(path: Path) -> tuple[Architecture, int] | None:
    """Returns the architecture and the scale that a checkpoint of srsweep records, or None for any other checkpoint.

    Raises UserError if the file is not a checkpoint, or if this srsweep has no such architecture.
    """
    variant = read_file(path).variant
    if variant is None:
        return None
    try:
        stated = architecture(str(variant.get("family")), dict(variant.get("knobs") or {}))
        scale = int(str(variant.get("scale")))
    except (UserError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: states a network that this srsweep does not know ({_first_line(error)})"
        ) from None
    return stated, scale


def _source(built: Built, path: Path) -> tuple[nn.Module, str]:
    """Returns the network that a file was written for, filled from the file, and a description of the matching."""
    faults = []
    for wanted, scale in _candidates(built, path):
        network = wanted.network(scale)
        try:
            return network, str(load_weights(network, path))
        except UserError as fault:
            faults.append(fault)
    raise faults[0]


def _candidates(built: Built, path: Path) -> Iterator[tuple[Architecture, int]]:
    """Yields the architectures and scales for which a file may have been written, the most likely first."""
    stated = stated_architecture(path)
    if stated is not None:
        yield stated
        return
    own = built.architecture
    yield own, built.scale
    for scale in own.family.scales:
        if scale != built.scale:
            yield own, scale


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
