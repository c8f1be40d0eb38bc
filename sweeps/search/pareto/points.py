"""The configurations of an Optuna study as candidates of the search, with exact costs from the user."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeps.search.pareto.candidates import Candidates
from sweeps.search.pareto.parameters import CostScale, Encoder
from sweeps.search.pareto.surrogate import Floats, Ints
from sweeps.search.pareto.walk import Point

CostFunction = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""A function that takes parameters and returns the exact costs by name."""
Allowed = Callable[[Mapping[str, Any], Mapping[str, float]], bool]
"""A function that returns whether a configuration with these parameters and costs may be suggested."""


class Points(Candidates[Point]):
    """Configurations with an Encoder for their parameters and a CostScale for their costs."""

    minimized: tuple[str, ...]
    """Names of the costs that are objectives, in the order of the objectives."""
    encoder: Encoder
    scale: CostScale

    @abstractmethod
    def raw(self, rows: Ints) -> tuple[Floats, Floats]:
        """Returns the parameters (N, names) and the costs (N, all costs) of `rows` (N,)."""

    def exact(self, row: int) -> dict[str, float]:
        """Returns all costs of the configuration at `row`, by name."""
        counted = self.raw(np.array([row]))[1][0]
        return dict(zip(self.scale.names, counted.tolist(), strict=True))

    @cached_property
    def groups(self) -> Ints:
        own = self.encoder.groups
        first = int(own.max(initial=-1)) + 1
        return np.concatenate([own, np.arange(first, first + len(self.scale.names))])

    @cached_property
    def is_cost(self) -> NDArray[np.bool_]:
        return np.arange(len(self.groups)) >= len(self.encoder.columns)

    def features(self, rows: Ints) -> Floats:
        values, costs = self.raw(rows)
        scaled = np.clip(self.scale(costs), -0.5, 1.5)  # costs of rows that are not feasible
        return np.concatenate([self.encoder.features(values), scaled], 1)

    def costs(self, rows: Ints) -> Floats:
        wanted = [self.scale.names.index(name) for name in self.minimized]
        return self.scale(self.raw(rows)[1])[:, wanted]
