"""Turns a user's description of the space and the costs of an Optuna study into candidates of the search."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial

from searchspace.errors import UserError
from sweeps.search.pareto.drawn_points import DrawnPoints
from sweeps.search.pareto.listed_points import ListedPoints, listed_points, tabled_points
from sweeps.search.pareto.points import Allowed, CostFunction
from sweeps.search.pareto.walk import Point, Space, drawn, estimated_size, listed

TRIES = 1_000
"""Maximum number of random runs of a space's function to find a first configuration."""


def candidates_of(
    space: Space | Mapping[str, BaseDistribution],
    costs: CostFunction | Mapping[str, Iterable[object]] | None,
    *,
    objectives: Sequence[str],
    allowed: Allowed | None,
    log_costs: bool,
    max_listed: int,
    size: int,
    seed: int,
) -> ListedPoints | DrawnPoints:
    """Returns the configurations of a space. The arguments are those of ParetoSampler.

    Raises UserError if the arguments are not valid together, or if hardly any configuration is allowed.
    """
    settings: dict[str, Any] = {"allowed": allowed, "log_costs": log_costs}
    if costs is not None and not callable(costs):
        if callable(space):
            raise UserError("costs: a table needs a space that maps names to distributions")
        minimized = [name for name in objectives if name in costs and name not in space]
        return tabled_points(space, costs, minimized=minimized, **settings)
    ask = space if callable(space) else _function(space)
    count = costs if costs is not None else _no_costs
    random = np.random.default_rng(seed)
    names = set(count(_first(ask, random).params))
    settings["minimized"] = [name for name in objectives if name in names]
    if estimated_size(ask, random) <= 2 * max_listed:
        found = list(islice(listed(ask), max_listed + 1))
        if len(found) <= max_listed:
            return listed_points(ask, found, count, **settings)
    return DrawnPoints(ask, count, seed=seed, size=size, **settings)


def _first(space: Space, random: np.random.Generator) -> Point:
    """Returns a configuration of the space. Raises UserError if the space has no configurations or no parameters."""
    tries = (drawn(space, random) for _ in range(TRIES))
    found = next((each for each in tries if each is not None), None)
    if found is None or not found.values:
        raise UserError("space: the function must call trial.suggest_* for each parameter")
    return found


def _function(space: Mapping[str, BaseDistribution]) -> Space:
    """Returns the function that asks a trial for all parameters in `space`."""

    def ask(trial: BaseTrial) -> None:
        for name, distribution in space.items():
            trial._suggest(name, distribution)

    return ask


def _no_costs(_: Mapping[str, Any]) -> dict[str, float]:
    return {}
