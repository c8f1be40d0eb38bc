"""Computes the costs of all combinations of knob values as sums of table look-ups. Only small networks are counted.

This continues the example of `searchspace.table.cost_parts`: cost(n, b, k) = P(n, b) + Q(n, k) - PQ(n). The grid has
n in (4, 8), b from 1 to 10, and k in (1, 3).

P(n, b) is needed for every b. But all body layers have equal costs. For each n, the cost P is therefore a straight line
in b, and two counted networks determine this line. With k = 1 they have these parameters:

    n    b = 1    b = 2
    4      320      468
    8      916    1,500

The line through the two points is P(n, b) = (2 - b) P(n, 1) + (b - 1) P(n, 2). For b = 10 the weights 2 - b and b - 1
are -8 and 9, and for b = 5 they are -3 and 4:

    P(4, 10) = -8 * 320 + 9 * 468   = 1,652
    P(8, 5)  = -3 * 916 + 4 * 1,500 = 3,252

The weights are whole numbers, so the result is exact. If `together` says `n_blocks^2`, P is a parabola in b, and
networks with b = 1, 2 and 3 determine it.

Q needs two more networks, with b = 1 and k = 3: Q(4, 3) = 704 and Q(8, 3) = 1,684. Q(n, 1) and PQ(n) need no further
networks, because both equal P(n, 1). So 6 counted networks give the costs of all 2 * 10 * 2 = 40 combinations.

`compose` stores two arrays. The array of b and n has 10 x 2 entries P(n, b) - PQ(n), and the array of n and k has
2 x 2 entries Q(n, k). The cost of a combination is the sum of one entry from each array. For n = 8, b = 5, k = 3:

    3,252 - 916 + 1,684 = 4,020

In the arrays, each entry holds one number for each cost that can be added up, not only the parameters.
"""

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
"""Maximum number of entries in one array."""
UNKNOWN = -(2**57)
"""Stands for a cost that no small network determines. It is low enough to make every sum that contains it negative."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The costs of all combinations of a grid. The costs of a combination are the sum of one entry from each array."""

    quantities: Mapping[str, Field]
    """For each quantity (a knob, or a property of the spec), a table of its values over the grid."""
    arrays: Mapping[tuple[str, ...], Ints]
    """The arrays. Each key holds the names of an array's quantities. An array has one axis per quantity and a last axis
    over costs."""
    num_counted: int
    """Number of small networks that were counted."""

    def costs(self, digits: Sequence[Ints]) -> Ints:
        """Returns the costs (N, costs) of N valid combinations. A negative number means that the cost is unknown.

        `digits` holds one array (N,) per knob of the grid, with the index of the knob's value in each combination.
        """
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
    """Counts the small networks that `parts` needs, and returns the arrays whose entries add up to the costs.

    `count` takes the spec of a network and returns its costs as an array (costs,). Raises TableTooLarge if more than
    `max_counted` networks would have to be counted, or if one part has too many combinations.
    """
    pieces = [
        _Piece.of(parts, spec_class, quantities, levels, coefficient)
        for levels, coefficient in parts.sum.items()
    ]
    small = {spec for piece in pieces for spec in piece.networks if spec is not None}
    if len(small) > max_counted:
        raise TableTooLarge(
            f"{len(small):,} networks would have to be counted one by one (limit {max_counted:,}); list fewer "
            "values, or declare the family's parts"
        )
    counted = {spec: count(spec) for spec in small}
    arrays: dict[tuple[str, ...], Ints] = {}
    for piece in sorted(pieces, key=lambda each: -len(each.names)):
        own = piece.costs(counted, quantities)
        # Fewer arrays mean fewer look-ups, so a part is added to an array that has all its quantities.
        wider = next((names for names in arrays if set(names) >= set(piece.names)), piece.names)
        shape = [len(quantities[n].values) if n in piece.names else 1 for n in wider]
        arrays[wider] = arrays.get(wider, np.int64(0)) + own.reshape(*shape, -1)
    used = {name: quantities[name] for name in parts.names}
    return Composition(quantities=used, arrays=arrays, num_counted=len(small))


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One part of the sum, and the small networks that determine it."""

    names: tuple[str, ...]
    coefficient: int
    nodes: Mapping[str, range]
    """For each knob that repeats layers, the numbers of repetitions of the counted networks."""
    shape: tuple[int, ...]
    """For each quantity, the number of its nodes if it has nodes, otherwise the number of its values."""
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
        # All parts use the same order, so that a part fits into an array with more axes.
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
        """Returns the costs times `coefficient`, as an array with one axis per quantity and a last axis over costs."""
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
    """Applies `weights` (values, nodes) to the nodes on `axis` of `array`."""
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)


def _interpolation(values: Sequence[int], nodes: range) -> Ints:
    """Returns the weights (values, nodes) with which the costs at `nodes` give the costs at `values`.

    The weights evaluate the polynomial through the costs at the nodes. The nodes are consecutive numbers, so all
    weights are whole numbers. For the value 10, nodes 1 and 2 have the weights -8 and 9.
    """

    def weight(value: int, node: int) -> int:
        others = [other for other in nodes if other != node]
        above = math.prod(value - other for other in others)
        return above // math.prod(node - other for other in others)

    return np.array([[weight(value, node) for node in nodes] for value in values], np.int64)
