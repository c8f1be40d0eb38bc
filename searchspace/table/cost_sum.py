"""The costs of all combinations of a grid as a sum of look-ups, each part read off small networks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from searchspace.spec import Spec
from searchspace.table.cost_parts import Levels, Parts
from searchspace.table.knob_functions import MAX_ENTRIES, Field, Ints, TableTooLarge

MAX_ARRAY = 2_000_000
"""Combinations of quantities for which one array holds the costs."""
UNKNOWN = -(2**57)
"""Cost where no small network tells it; any sum with it stays below zero."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A sum of look-ups, one for each array."""

    quantities: Mapping[str, Field]
    arrays: Mapping[tuple[str, ...], Ints]
    """Names of quantities -> (values of each..., costs)."""
    num_counted: int
    """Small networks that were counted."""

    def costs(self, digits: Sequence[Ints]) -> Ints:
        """(N, costs) of valid combinations; below zero where it cannot tell."""
        codes = {name: field.look_up(digits) for name, field in self.quantities.items()}
        count = len(digits[0]) if digits else 1
        total: Ints = np.zeros((count, 1), np.int64)
        for names, array in self.arrays.items():
            entry = np.zeros(count, np.int64)
            for name, size in zip(names, array.shape, strict=False):
                entry = entry * size + codes[name]
            total = total + array.reshape(-1, array.shape[-1])[entry]
        for code in codes.values():
            total[code < 0] = UNKNOWN
        return total


def compose(
    parts: Parts,
    spec_class: type[Spec],
    quantities: Mapping[str, Field],
    count: Callable[[Spec], Ints],
    max_counted: int,
) -> Composition:
    """The costs as `parts` adds them up; `count` gives those (costs,) of one network.

    Raises TableTooLarge where more than `max_counted` networks would have to be counted.
    """
    pieces = [
        _Piece.of(parts, spec_class, quantities, levels, coefficient)
        for levels, coefficient in parts.sum.items()
    ]
    small = {spec for piece in pieces for spec in piece.networks if spec is not None}
    if len(small) > max_counted:
        raise TableTooLarge(
            f"{len(small):,} networks would have to be counted one by one (limit {max_counted:,}); give "
            "fewer values, or the family its parts"
        )
    counted = {spec: count(spec) for spec in small}
    arrays: dict[tuple[str, ...], Ints] = {}
    for piece in sorted(pieces, key=lambda each: -len(each.names)):
        own = piece.costs(counted, quantities)
        # Fewer arrays, fewer look-ups: a part is added to one that hangs on its quantities and more.
        wider = next((names for names in arrays if set(names) >= set(piece.names)), piece.names)
        shape = [len(quantities[n].values) if n in piece.names else 1 for n in wider]
        arrays[wider] = arrays.get(wider, np.int64(0)) + own.reshape(*shape, -1)
    used = {name: quantities[name] for name in parts.names}
    return Composition(quantities=used, arrays=arrays, num_counted=len(small))


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One part: the small networks that it is read off."""

    names: tuple[str, ...]
    coefficient: int
    nodes: Mapping[str, range]
    """Of what repeats something, the numbers that are counted."""
    shape: tuple[int, ...]
    """Values, or nodes, of each quantity."""
    networks: list[Spec | None]

    @classmethod
    def of(
        cls,
        parts: Parts,
        spec_class: type[Spec],
        quantities: Mapping[str, Field],
        levels: Levels,
        coefficient: int,
    ) -> "_Piece":
        degrees = dict(levels)
        # In one order for all, so that the axes of one array are a selection of another's.
        names = tuple(name for name in quantities if name in degrees)
        nodes = {
            name: range(least, least + degrees[name] + 1)
            for name, least in parts.repeats.items()
            if name in degrees
        }
        choices: list[Sequence[Any]] = [nodes.get(n, quantities[n].values) for n in names]
        shape = tuple(map(len, choices))
        room = math.prod(len(quantities[name].values) for name in names)
        if math.prod(shape) > MAX_ENTRIES or room > MAX_ARRAY:
            raise TableTooLarge(
                f"{room:,} combinations of {', '.join(names)} are too many to tabulate"
            )
        networks = [
            parts.network(spec_class, dict(zip(names, values, strict=True)))
            for values in product(*choices)
        ]
        return cls(
            names=names, coefficient=coefficient, nodes=nodes, shape=shape, networks=networks
        )

    def costs(self, counted: Mapping[Spec, Ints], quantities: Mapping[str, Field]) -> Ints:
        """(values of each quantity..., costs), with the coefficient."""
        width = len(next(iter(counted.values()), ()))
        rows = [np.zeros(width, np.int64) if s is None else counted[s] for s in self.networks]
        costs = np.array(rows, np.int64).reshape(*self.shape, width)
        missing = np.array([s is None for s in self.networks], np.int64).reshape(*self.shape, 1)
        for axis, name in enumerate(self.names):
            if name in self.nodes:
                weights = _interpolation(quantities[name].values, self.nodes[name])
                costs = _along(axis, weights, costs)
                missing = _along(axis, np.abs(weights), missing)
        return np.where(missing > 0, UNKNOWN, self.coefficient * costs)


def _along(axis: int, weights: Ints, array: Ints) -> Ints:
    """`weights` (values, nodes) applied to the nodes on `axis` of `array`."""
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)


def _interpolation(values: Sequence[int], nodes: range) -> Ints:
    """(values, nodes): weights of the polynomial through consecutive nodes, which are whole numbers."""

    def weight(value: int, node: int) -> int:
        others = [other for other in nodes if other != node]
        above = math.prod(value - other for other in others)
        return above // math.prod(node - other for other in others)

    return np.array([[weight(value, node) for node in nodes] for value in values], np.int64)
