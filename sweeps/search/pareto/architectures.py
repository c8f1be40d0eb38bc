"""The architectures of a sweep's space as candidates of the search, with the exact costs of the space's table."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.errors import UserError
from searchspace.predicted import PREDICTED_LATENCY, Rates
from searchspace.space import Space
from searchspace.table.space_table import ADDITIVE, SpaceTable
from sweeps.search.pareto.candidates import Candidates
from sweeps.search.pareto.encoding import Features
from sweeps.search.pareto.focus import Focus, everything, rows_within
from sweeps.search.pareto.surrogate import Floats, Ints


class Architectures(Candidates[Architecture]):
    """The architectures of a space that meet the constraints."""

    def __init__(
        self,
        space: Space,
        *,
        constraints: Sequence[Constraint],
        scale: int,
        minimized: Sequence[str],
        seed: int,
        table: SpaceTable | None = None,
        rates: Rates | None = None,
        focus: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """Prepares the candidates for upscaling factor `scale`.

        `minimized` names the costs to minimize. `focus` gives the ranges of costs in which the hypervolume counts; a
        cost that is not in `minimized` is minimized too. `table` holds the costs of the space; without it, they are computed
        when they are first needed. If the space is too large for a table, `seed` draws a sample. `rates` predict latencies on
        a device. Raises UserError if `minimized` is empty or names a cost that the table does not hold.
        """
        minimized = [*minimized, *(name for name in focus or {} if name not in minimized)]
        held = ADDITIVE if rates is None else (*ADDITIVE, PREDICTED_LATENCY)
        unknown = [name for name in minimized if name not in held]
        if unknown or not minimized:
            raise UserError(
                f"search.sampler: pareto needs costs among {', '.join(ADDITIVE)} to minimize, got "
                f"{', '.join(minimized) or 'none'}; choose another sampler"
            )
        self.space, self.constraints, self.scale = space, tuple(constraints), scale
        self.minimized, self.seed, self._given = tuple(minimized), seed, table
        self.rates, self._ranges = rates, dict(focus or {})

    @cached_property
    def table(self) -> SpaceTable:
        """The table of the architectures of the space and their costs."""
        given = self._given
        if given is not None:
            return given
        return SpaceTable(self.space, self.scale, self.seed, rates=self.rates)

    @cached_property
    def feasible(self) -> Ints:
        """Rows of the architectures that meet the constraints. Constraints on memory are ignored: the table lacks it."""
        return np.flatnonzero(self.table.feasible(self.constraints))

    @cached_property
    def encoded(self) -> Features:
        """The object that turns rows of the table into scaled costs and features."""
        return Features(self.table, self.feasible, self.minimized)

    @cached_property
    def focus(self) -> Focus | None:
        """The ranges of the scaled costs over which the hypervolume is computed, or None if no range was given.

        Raises UserError if no feasible architecture lies in all ranges.
        """
        if not self._ranges:
            return None
        rows_within(self.table, self.feasible, self._ranges)
        whole = everything(len(self.minimized))
        low, high = whole.low, whole.high
        for name, ends in self._ranges.items():
            axis = self.minimized.index(name)
            low[axis], high[axis] = np.clip(self.encoded.scaled(name, np.array(ends)), 0, 1)
        return Focus(low, high)

    @property
    def groups(self) -> Ints:
        return self.encoded.groups

    @property
    def is_cost(self) -> NDArray[np.bool_]:
        return self.encoded.is_cost

    def __len__(self) -> int:
        return len(self.table)

    def row(self, item: Architecture) -> int | None:
        return self.table.row(item)

    def item(self, row: int) -> Architecture:
        return self.table.architecture(row)

    def features(self, rows: Ints) -> Floats:
        return self.encoded.of(rows)

    def costs(self, rows: Ints) -> Floats:
        return self.encoded.costs(rows)

    def neighbours(self, row: int) -> list[int]:
        return self.table.neighbours(row)
