"""All configurations of an Optuna study's space, in a table."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from searchspace.errors import UserError
from sweeps.search.pareto.parameters import CostScale, Encoder
from sweeps.search.pareto.points import Allowed, CostFunction, Points
from sweeps.search.pareto.surrogate import Floats, Ints
from sweeps.search.pareto.walk import Point, Space, neighbours, run


class ListedPoints(Points):
    """All configurations of a space, in a table."""

    def __init__(
        self,
        encoder: Encoder,
        values: Floats,
        costs: Mapping[str, Floats],
        *,
        minimized: Sequence[str],
        allowed: Allowed | None,
        log_costs: bool,
        space: Space | None,
    ) -> None:
        """Builds the table from the parameters `values` (rows, names) and the `costs` (rows,) by name.

        `space` is the function that produced the configurations, or None if they came from a user's table. Raises
        UserError if no configuration is allowed.
        """
        self.encoder, self.values, self.minimized = encoder, values + 0.0, tuple(minimized)
        self.space = space
        self.table = np.stack([*costs.values()], 1) if costs else np.empty((len(values), 0))
        hashes = _hashes(self.values)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        self._near: dict[int, list[int]] = {}
        may = np.ones(len(values), np.bool_)
        if allowed is not None:
            for row in range(len(values)):
                own = dict(zip(costs, self.table[row].tolist(), strict=True))
                may[row] = allowed(self.item(row).params, own)
        self._feasible = np.flatnonzero(may)
        if not len(self._feasible):
            raise UserError("constraints: no configuration of the space meets them")
        self.scale = CostScale(costs, may, log=log_costs, margin=0.0)

    @property
    def feasible(self) -> Ints:
        return self._feasible

    def __len__(self) -> int:
        return len(self.values)

    def row(self, item: Point) -> int | None:
        if not item.values.keys() <= set(self.encoder.names):
            return None
        (found,) = self._find(self.encoder.matrix([item]))
        if found < 0 or self.item(int(found)).distributions != item.distributions:
            return None
        return int(found)

    def item(self, row: int) -> Point:
        pairs = zip(self.encoder.names, self.values[row].tolist(), strict=True)
        values = {name: value for name, value in pairs if not np.isnan(value)}
        known = dict(zip(self.encoder.names, self.encoder.merged, strict=True))
        found = Point(values, {name: known[name] for name in values})
        if self.space is not None:  # the ranges of a parameter may depend on other parameters
            found = _again(self.space, values)
        return found

    def raw(self, rows: Ints) -> tuple[Floats, Floats]:
        return self.values[rows], self.table[rows]

    def neighbours(self, row: int) -> list[int]:
        if row not in self._near:
            wanted = self._changed(row)
            found = np.unique(self._find(wanted)) if len(wanted) else np.array([], np.int64)
            self._near[row] = [int(other) for other in found if other not in (-1, row)]
        return self._near[row]

    def _changed(self, row: int) -> Floats:
        """Returns parameters (N, names) that differ from those of `row` in one value. They need not be in the table."""
        if self.space is not None:
            random = np.random.default_rng(row)
            return self.encoder.matrix([*neighbours(self.space, self.item(row), random)])
        others = []
        for place, known in enumerate(self._known):
            changed = np.repeat(self.values[row][None], len(known), 0)
            changed[:, place] = known
            others.append(changed)
        return np.concatenate(others)

    @cached_property
    def _known(self) -> list[Floats]:
        """For each parameter, its values in the table, including NaN if the parameter does not apply everywhere."""
        return [np.unique(column) for column in self.values.T]

    def _find(self, wanted: Floats) -> Ints:
        """Returns the row (N,) of each of the `wanted` (N, names) parameters, or -1 if they are not in the table."""
        hashes = _hashes(wanted)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        rows = self._order[places]
        same = (self.values[rows] == wanted) | (np.isnan(self.values[rows]) & np.isnan(wanted))
        return np.where(same.all(1), rows, -1)


def _again(space: Space, values: Mapping[str, float]) -> Point:
    """Returns the configuration that `space` builds from these values, with the distributions of `space`."""
    found = run(space, lambda name, _: values[name])
    assert found is not None
    return found


def _hashes(values: Floats) -> NDArray[np.uint64]:
    """Returns a hash (N,) of each row of `values` (N, names).

    Two rows of a table are very unlikely to have the same hash.
    """
    factors = np.random.default_rng(0).integers(1, 2**63, values.shape[1], np.uint64)
    whole = np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)
    mixed = (whole ^ (whole >> np.uint64(29))) * (factors | np.uint64(1))
    return np.bitwise_xor.reduce(mixed ^ (mixed >> np.uint64(32)), 1)


def listed_points(
    space: Space, points: Sequence[Point], count_costs: CostFunction, **settings: Any
) -> ListedPoints:
    """Returns the table of all `points` of `space`. `settings` are passed to ListedPoints."""
    distributions: dict[str, list[BaseDistribution]] = {}
    for each in points:
        for name, of in each.distributions.items():
            known = distributions.setdefault(name, [])
            if of not in known:
                known.append(of)
    encoder = Encoder(distributions)
    counted = [count_costs(each.params) for each in points]
    costs = {name: np.array([of[name] for of in counted], np.float64) for name in counted[0]}
    return ListedPoints(encoder, encoder.matrix(points), costs, space=space, **settings)


def tabled_points(
    space: Mapping[str, BaseDistribution],
    columns: Mapping[str, Iterable[object]],
    **settings: Any,
) -> ListedPoints:
    """Returns the configurations in a user's table.

    `columns` has one column per parameter of `space`, with None or NaN where it does not apply. All other columns are
    costs. `settings` are passed to ListedPoints. Raises UserError if a parameter has no column or has a value outside
    its distribution.
    """
    missing = [name for name in space if name not in columns]
    if missing:
        raise UserError(f"costs: the table lacks a column for {', '.join(missing)}")
    encoder = Encoder({name: [of] for name, of in space.items()})
    values = [_column(name, of, np.asarray(columns[name])) for name, of in space.items()]
    costs = {name: np.asarray(columns[name], np.float64) for name in columns if name not in space}
    return ListedPoints(encoder, np.stack(values, 1), costs, space=None, **settings)


def _column(name: str, distribution: BaseDistribution, given: NDArray[Any]) -> Floats:
    """Returns the values (rows,) of one parameter as Optuna stores them."""
    if given.dtype == object:  # with None, which NumPy cannot sort
        unique = list(dict.fromkeys(given.tolist()))
        places = {each: place for place, each in enumerate(unique)}
        inverse = np.array([places[each] for each in given.tolist()], np.int64)
    else:
        found, inverse = np.unique(given, return_inverse=True)
        unique = found.tolist()
    known = []
    for each in unique:
        absent = each is None or each != each
        try:
            value = np.nan if absent else float(distribution.to_internal_repr(each))
        except ValueError:
            value = np.inf
        if not absent and not distribution._contains(value):
            raise UserError(f"costs: {name} is {each!r} in the table, outside {distribution}")
        known.append(value)
    return np.array(known, np.float64)[inverse]
