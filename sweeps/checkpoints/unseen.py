"""Finds what the tensors in a file do not reveal: the scale, and knobs that change only the output of a network."""

from collections.abc import Iterator

import torch

from searchspace.architecture import Architecture, Built, architecture
from searchspace.cost.counting.subject import Unfilled
from searchspace.errors import UserError
from searchspace.family import PublicCode
from searchspace.spec import knobs

Shapes = dict[str, torch.Size]


def unseen(built: Built, code: PublicCode | None = None) -> tuple[str, ...]:
    """Returns notes for people that name the knobs, and possibly the scale, that a file of tensors does not reveal.

    A file reveals a knob if every other value that a sweep would try gives tensors with other names or shapes. A file
    of a public code is assumed to hold the published network. For such a file, the notes name only the open knobs of
    the code and knobs that differ from their defaults.
    """
    own = shapes_of(built.architecture, built.scale)
    scales = [s for s in built.architecture.family.scales if s != built.scale]
    alike = [f"x{scale}" for scale in scales if shapes_of(built.architecture, scale) == own]
    notes = []
    if alike:
        others = " and ".join(filter(None, (", ".join(alike[:-1]), alike[-1])))
        notes.append(
            f"the tensors do not depend on the scale: they also fit {others}, so the file does not show that it is for "
            f"x{built.scale}"
        )
    values = built.architecture.knobs
    asked = values if code is None else [*code.open_knobs, *built.architecture.spec.changed()]
    hidden = [
        name
        for name in dict.fromkeys(asked)
        if any(
            shapes_of(other, built.scale) == own and _named_alike(other, built, code)
            for other in _others(built, name)
        )
    ]
    if hidden:
        named = " and ".join(f"{name}={values[name]}" for name in hidden)
        notes.append(f"the file does not show whether {named} is right")
    return tuple(notes)


def _named_alike(other: Architecture, built: Built, code: PublicCode | None) -> bool:
    """Returns whether `code` gives the tensors of `other` the same names as those of the built network."""
    if code is None:
        return True
    names = (list(code.layers(a.spec, built.scale)) for a in (other, built.architecture))
    return next(names) == next(names)


def _others(built: Built, name: str) -> Iterator[Architecture]:
    """Yields the networks that differ from the built one only in the knob `name`."""
    family = built.architecture.family
    for value in knobs(family.spec)[name].search:
        try:
            other = architecture(family.name, built.architecture.knobs | {name: value})
        except UserError:
            continue
        if other != built.architecture:
            yield other


def shapes_of(network: Architecture, scale: int) -> Shapes:
    """Returns the shapes of a network's tensors by name."""
    with torch.device("meta"), Unfilled():
        state = network.network(scale).state_dict()
    return {name: tensor.shape for name, tensor in state.items()}
