"""Tests how benchmarks/search/public_tables.py replays samplers on a table."""

import math

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import RandomSampler

from benchmarks.search.public_tables import Table, replay, samplers, summary

SPACE: dict[str, BaseDistribution] = {
    "a": CategoricalDistribution(["x", "y"]),
    "b": CategoricalDistribution(["x", "y", "none"]),
}
TABLE = Table(
    space=SPACE,
    networks={("x", "x"): 0, ("x", "y"): 1, ("y", "x"): 1, ("y", "y"): 2},
    runs=np.array([[0.4, 0.6], [0.5, 0.9], [0.9, 0.9]]),
    costs=np.array([10.0, 20.0, 40.0]),
    direction="maximize",
    floor=0.3,
)
"""Three networks. One of them has two configurations, and there are none with b=none."""


@pytest.mark.parametrize("name", ["random", "Optuna TPE", "pareto"])
def test_a_network_that_is_suggested_again_costs_no_training(name: str) -> None:
    curve = replay(samplers(TABLE, 3)[name](0), TABLE, seed=0, trainings=3)
    assert len(curve) == 3
    assert sorted(set(curve)) == curve, "each of the three trainings is of a new network"
    assert curve[-1] == pytest.approx(1)


def test_a_sampler_that_only_repeats_itself_ends_with_the_hypervolume_it_had() -> None:
    curve = replay(RandomSampler(seed=1), TABLE, seed=0, trainings=5)
    assert curve[2:] == pytest.approx([1, 1, 1])


def test_the_hypervolume_counts_the_mean_of_all_trainings_on_a_logarithmic_axis_of_costs() -> None:
    assert TABLE.points[:, 1] == pytest.approx([-0.2, -0.4, -0.6])
    assert TABLE.points[:, 0] == pytest.approx([0, math.log(2) / math.log(4), 1])


def test_the_share_of_trainings_is_that_to_the_best_rivals_median_end() -> None:
    curves = {
        "random": np.array([[0.1, 0.2, 0.3, 0.4]] * 2),
        "other": np.array([[0.1, 0.5, 0.6, 0.8]] * 2),
        "pareto": np.array([[0.1, 0.9, 0.9, 0.9], [0.1, 0.2, 0.3, 0.7]]),
    }
    found = summary(curves)
    assert found["best_rival"] == "other"
    own = found["pareto"]
    assert isinstance(own, dict)
    assert own["share_of_trainings_to_best_rival"] == [0.5, 0.5, None]
    assert own["hypervolume_at_end"] == [0.7, 0.7, 0.9]
