"""Spaces that are functions of a trial: listed, counted, drawn, changed by one parameter."""

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from sweeps.search.pareto import walk
from sweeps.search.pareto.parameters import Encoder


def trees(trial: BaseTrial) -> None:
    if trial.suggest_categorical("kind", ["linear", "tree"]) == "tree":
        trial.suggest_int("depth", 1, 3)


def test_every_configuration_is_listed_once_and_the_estimate_is_near() -> None:
    expected = [{"kind": "linear"}, *({"kind": "tree", "depth": depth} for depth in (1, 2, 3))]
    assert [each.params for each in walk.listed(trees)] == expected
    size = walk.estimated_size(trees, np.random.default_rng(0), 400)
    assert size == pytest.approx(4, rel=0.1)


def test_combinations_that_do_not_exist_are_left_out() -> None:
    def some(trial: BaseTrial) -> None:
        if trial.suggest_int("a", 0, 2) == 1 or trial.suggest_int("b", 0, 1) == 0:
            raise optuna.TrialPruned

    assert [each.params for each in walk.listed(some)] == [{"a": 0, "b": 1}, {"a": 2, "b": 1}]


def test_neighbours_differ_in_one_parameter_and_those_that_depend_on_it() -> None:
    random = np.random.default_rng(0)
    (linear, *_, deepest) = walk.listed(trees)
    near = [each.params for each in walk.neighbours(trees, deepest, random)]
    assert near == [{"kind": "linear"}, {"kind": "tree", "depth": 1}, {"kind": "tree", "depth": 2}]
    (tree,) = walk.neighbours(trees, linear, random)
    assert tree.params["kind"] == "tree"


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(1e-4, 1.0, log=True),
        FloatDistribution(0.0, 0.9, step=0.3),
        IntDistribution(1, 1000, log=True),
        IntDistribution(3, 99, step=4),
    ],
    ids=str,
)
def test_values_are_of_their_distribution_and_reach_both_ends(
    distribution: FloatDistribution | IntDistribution,
) -> None:
    random = np.random.default_rng(0)
    low, high = walk.at(distribution, 0.0), walk.at(distribution, 1.0)
    assert (low, high) == pytest.approx((distribution.low, distribution.high))
    drawn = [walk.draw(distribution, random) for _ in range(50)]
    near = [o for value in drawn[:10] for o in walk.others(distribution, value, random)]
    assert all(distribution._contains(value) for value in [*drawn, *near])
    shares = [walk.position(distribution, value) for value in drawn]
    assert min(shares) < 0.15
    assert max(shares) > 0.85


def test_a_range_that_depends_on_another_parameter_has_one_column() -> None:
    def some(trial: BaseTrial) -> None:
        high = trial.suggest_categorical("high", ["4", "9"])
        trial.suggest_int("x", 1, int(high))

    points = list(walk.listed(some))
    assert len(points) == 13
    ranges = {"high": [], "x": []}
    for each in points:
        for name, of in each.distributions.items():
            ranges[name].append(of)
    encoder = Encoder(ranges)
    features = encoder.features(encoder.matrix(points))
    assert features.shape == (13, 3)
    assert encoder.groups.tolist() == [0, 0, 1]
    assert features[[3, 12], 2].tolist() == [3 / 8, 1]
