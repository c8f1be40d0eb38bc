"""Runs a user's function of `trial.suggest_*` calls without a study, to find the configurations of its space.

A function defines a space with conditions by the parameters that it asks for:

    def space(trial):
        kind = trial.suggest_categorical("kind", ["linear", "tree"])
        if kind == "tree":
            trial.suggest_int("depth", 1, 3)

`listed` runs the function once for each configuration. Like an odometer, it advances the last answer that can still
advance:

    linear    tree 1    tree 2    tree 3

`estimated_size` multiplies the numbers of answers on random runs. Half of the runs give 2 (linear) and half give
2 * 3 = 6 (tree), so the estimate is near (2 + 6) / 2 = 4, which is right. Source: Knuth 1975, Estimating the efficiency
of backtrack programs.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial, FixedTrial

Space = Callable[[BaseTrial], object]
"""A function that asks a trial for all parameters of a configuration."""
NEAR_STEPS = (0.02, 0.1)
"""Standard deviations of the distances between neighbours on a continuous range, as shares of the range."""
FEW = 12
"""Maximum number of values of a numeric parameter for which all values are neighbours of each other."""


@dataclass(frozen=True)
class Point:
    """The parameters of a configuration. A parameter that does not apply is absent."""

    values: Mapping[str, float]
    """Maps the name of each parameter to its value as Optuna stores it: the index of a choice, or a number."""
    distributions: Mapping[str, BaseDistribution]

    @property
    def params(self) -> dict[str, Any]:
        """Maps the name of each parameter to its value, like `params` of an Optuna trial."""
        of = self.distributions
        return {name: of[name].to_external_repr(value) for name, value in self.values.items()}


def point(params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> Point:
    """Returns the point with these parameters."""
    values = {name: float(of.to_internal_repr(params[name])) for name, of in distributions.items()}
    return Point(values, distributions)


class Walk(FixedTrial):  # type: ignore[misc]
    """A trial that gets the value of each parameter from `answer`. The values are collected in `values`."""

    def __init__(self, answer: Callable[[str, BaseDistribution], float]) -> None:
        super().__init__({})
        self._answer = answer
        self.values: dict[str, float] = {}

    def _suggest(self, name: str, distribution: BaseDistribution) -> object:
        if name not in self._suggested_params:
            internal = self._answer(name, distribution)
            self.values[name] = internal
            self._distributions[name] = distribution
            self._suggested_params[name] = distribution.to_external_repr(internal)
        return self._suggested_params[name]


def run(space: Space, answer: Callable[[str, BaseDistribution], float]) -> Point | None:
    """Returns the configuration that `space` builds from the answers, or None if it raises optuna.TrialPruned."""
    trial = Walk(answer)
    try:
        space(trial)
    except optuna.TrialPruned:
        return None
    return Point(trial.values, trial.distributions)


def count(distribution: BaseDistribution) -> float:
    """Returns the number of values of a distribution. Infinite for a continuous range."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if distribution.single():
        return 1
    if distribution.step is None:
        return math.inf
    return round((distribution.high - distribution.low) / distribution.step) + 1


def value(distribution: BaseDistribution, number: int) -> float:
    """Returns value `number`, counted from 0, of a discrete distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return float(number)
    if number == 0:
        return float(distribution.low)
    return float(min(distribution.low + number * distribution.step, distribution.high))


def position(distribution: BaseDistribution, internal: float) -> float:
    """Returns the position of a number in its range, from 0 to 1. The scale is logarithmic if the range is logarithmic."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, internal = math.log(low), math.log(high), math.log(internal)
    return (internal - low) / (high - low)


def at(distribution: BaseDistribution, share: float) -> float:
    """Returns the value of a numeric distribution nearest to the position `share`, from 0 to 1."""
    low, high = float(distribution.low), float(distribution.high)
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return value(
            distribution, min(int(share * count(distribution)), int(count(distribution)) - 1)
        )
    if distribution.log:
        found = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        found = low + share * (high - low)
    if distribution.step is not None:
        found = low + round((found - low) / distribution.step) * distribution.step
    return float(min(max(found, low), high))


def draw(distribution: BaseDistribution, random: np.random.Generator) -> float:
    """Returns a random value of a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return float(random.integers(len(distribution.choices)))
    return float(distribution.low) if distribution.single() else at(distribution, random.uniform())


def drawn(space: Space, random: np.random.Generator) -> Point | None:
    """Returns a random configuration, or None if `space` raises optuna.TrialPruned."""
    return run(space, lambda _, distribution: draw(distribution, random))


def completed(space: Space, given: Point, random: np.random.Generator) -> Point | None:
    """Returns the configuration with the values of `given`, and random values for all other parameters of `space`.

    Returns None if `space` raises optuna.TrialPruned.
    """

    def answer(name: str, distribution: BaseDistribution) -> float:
        known = given.values.get(name)
        fits = known is not None and given.distributions[name] == distribution
        return known if known is not None and fits else draw(distribution, random)

    return run(space, answer)


def neighbours(space: Space, of: Point, random: np.random.Generator) -> Iterator[Point]:
    """Yields configurations that differ from `of` in one parameter, and in the parameters that depend on it."""
    for name, current in of.values.items():
        for other in others(of.distributions[name], current, random):
            changed = Point({**of.values, name: other}, of.distributions)
            near = completed(space, changed, random)
            if near is not None:
                yield near


def others(
    distribution: BaseDistribution, current: float, random: np.random.Generator
) -> Iterator[float]:
    """Yields values of a parameter near `current`. If the values are few or unordered, yields all other values."""
    number = count(distribution)
    if isinstance(distribution, CategoricalDistribution) or number <= FEW:
        every = (value(distribution, i) for i in range(int(number)))
        yield from (other for other in every if not math.isclose(other, current, abs_tol=1e-12))
        return
    centre = position(distribution, current)
    for width in NEAR_STEPS:
        for _ in range(2):
            yield at(distribution, min(max(centre + width * random.normal(), 0.0), 1.0))
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        return
    for step in (-1, 1):
        other = current + step * distribution.step
        if distribution.low <= other <= distribution.high:
            yield float(other)


def estimated_size(space: Space, random: np.random.Generator, runs: int = 100) -> float:
    """Returns an estimate of the number of configurations of a space. Infinite if it has a continuous parameter."""
    total = 0.0
    for _ in range(runs):
        sizes: list[float] = []

        def answer(_: str, distribution: BaseDistribution, sizes: list[float] = sizes) -> float:
            sizes.append(count(distribution))
            return draw(distribution, random)

        run(space, answer)
        total += math.prod(sizes)
    return total / runs


def listed(space: Space) -> Iterator[Point]:
    """Yields every configuration of a space without continuous parameters."""
    digits: list[int] = []
    while True:
        sizes: list[int] = []

        def answer(
            _: str,
            distribution: BaseDistribution,
            digits: list[int] = digits,
            sizes: list[int] = sizes,
        ) -> float:
            if len(sizes) == len(digits):
                digits.append(0)
            sizes.append(int(count(distribution)))
            return value(distribution, digits[len(sizes) - 1])

        found = run(space, answer)
        if found is not None:
            yield found
        del digits[len(sizes) :]
        while digits and digits[-1] + 1 == sizes[len(digits) - 1]:
            digits.pop()
        if not digits:
            return
        digits[-1] += 1
