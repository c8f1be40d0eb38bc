"""The interface between the search behind `sampler: pareto` and the configurations that it may suggest.

A configuration is the object to train: an architecture of a sweep, or the parameters of an Optuna trial. The search
refers to a configuration by its row number. `Candidates` translates between rows and configurations.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sweeps.search.pareto.focus import Focus
from sweeps.search.pareto.surrogate import Floats, Ints

Item = TypeVar("Item")
"""The type of a configuration."""


class Candidates(ABC, Generic[Item]):
    """Configurations with exact costs. Each configuration is one row."""

    grows = False
    """Whether the space is too large for a table. If so, `draw` adds new rows for each suggestion."""

    @property
    @abstractmethod
    def groups(self) -> Ints:
        """(columns,): the number of the knob or cost that each column of the features encodes."""

    @property
    @abstractmethod
    def is_cost(self) -> NDArray[np.bool_]:
        """(columns,): whether each column of the features holds a cost."""

    @property
    @abstractmethod
    def feasible(self) -> Ints:
        """(M,): rows of the configurations that meet the constraints, in ascending order. Not used if `grows` is set."""

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of rows."""

    @abstractmethod
    def row(self, item: Item) -> int | None:
        """Returns the row of a configuration, or None if it is outside the space."""

    @abstractmethod
    def item(self, row: int) -> Item:
        """Returns the configuration at `row`."""

    @abstractmethod
    def features(self, rows: Ints) -> Floats:
        """Returns the features (N, columns) of `rows` (N,), in [0, 1]."""

    @abstractmethod
    def costs(self, rows: Ints) -> Floats:
        """Returns the scaled costs (N, D) of `rows` (N,), which are to be minimized. Feasible rows have costs in [0, 1]."""

    @abstractmethod
    def neighbours(self, row: int) -> list[int]:
        """Returns the rows of the configurations that differ in one knob from the configuration at `row`."""

    @property
    def focus(self) -> Focus | None:
        """The ranges of the scaled costs over which the hypervolume is computed. None means all costs."""
        return None

    def draw(self, near: Sequence[int], random: np.random.Generator) -> Ints:
        """Returns feasible rows: random ones, and neighbours of the rows in `near`.

        A draw invalidates the rows of earlier draws, except the rows that `keep` has returned. The search calls `draw`
        only if `grows` is set.
        """
        raise NotImplementedError

    def allows(self, row: int) -> bool:
        """Returns whether the configuration at `row`, which came from `neighbours`, meets the constraints."""
        place = int(np.searchsorted(self.feasible, row))
        return place < len(self.feasible) and self.feasible[place] == row

    def keep(self, row: int) -> int:
        """Returns a row of the same configuration that stays valid."""
        return row
