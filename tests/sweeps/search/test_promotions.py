"""Promotions of halving, for random trials with many ties."""

from dataclasses import replace
from random import Random

import moocore
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.search.halving import Candidate, next_promotion

deterministic = settings(derandomize=True, max_examples=60, deadline=None)
few_values = st.integers(0, 4).map(float)


@st.composite
def waiting_trials(draw: st.DrawFn, least: int = 1) -> list[Candidate]:
    """Trials that wait at the first rung, with two costs and one or two scores."""
    num_scores = draw(st.integers(1, 2))
    values = st.lists(few_values, min_size=2 + num_scores, max_size=2 + num_scores)
    rows = draw(st.lists(values, min_size=least, max_size=24))
    return [
        Candidate(number=number, costs=(100 * row[0], 7 + row[1]), scores=(tuple(row[2:]),))
        for number, row in enumerate(rows)
    ]


def promote_all(
    trials: list[Candidate], num_rungs: int, factor: int, scores: list[float]
) -> list[list[Candidate]]:
    """The trials after each promotion; a promoted trial reaches its rung at once."""
    stages = [trials]
    while (chosen := next_promotion(stages[-1], num_rungs, factor)) is not None:
        score = tuple(scores[chosen.number % len(scores)] for _ in chosen.scores[0])
        reached = replace(chosen, target=chosen.target + 1, scores=(*chosen.scores, score))
        stages.append([reached if each.number == chosen.number else each for each in stages[-1]])
    return stages


@deterministic
@given(waiting_trials(), st.integers(2, 4), st.integers(2, 4), st.lists(few_values, min_size=1))
def test_one_in_factor_goes_on_at_each_rung_and_no_trial_is_lost(
    trials: list[Candidate], num_rungs: int, factor: int, scores: list[float]
) -> None:
    stages = promote_all(trials, num_rungs, factor, scores)
    for stage in stages:
        assert [each.number for each in stage] == [each.number for each in trials]
        for rung in range(num_rungs - 1):
            reached = sum(each.target >= rung for each in stage)
            assert sum(each.target > rung for each in stage) <= reached // factor
        assert max(each.target for each in stage) < num_rungs
    # At the end every rung has sent on as many as it may.
    for rung in range(num_rungs - 1):
        reached = sum(each.target >= rung for each in stages[-1])
        assert sum(each.target > rung for each in stages[-1]) == reached // factor


@deterministic
@given(waiting_trials(least=12), st.integers(0, 2**32))
def test_choice_does_not_depend_on_the_order_of_the_trials(
    trials: list[Candidate], seed: int
) -> None:
    # Trials of equal cost can fall into different bands, which matters once some were promoted.
    for stage in promote_all(trials, 3, 2, [1.0, 3.0]):
        shuffled = list(stage)
        Random(seed).shuffle(shuffled)
        assert next_promotion(shuffled, 3, 2) == next_promotion(stage, 3, 2)


@deterministic
@given(waiting_trials(), st.integers(2, 4))
def test_no_trial_goes_on_before_one_that_is_better_and_costs_less(
    trials: list[Candidate], factor: int
) -> None:
    chosen = next_promotion(trials, 2, factor)
    if chosen is None:
        assert len(trials) < factor
        return
    for each in trials:
        costs_no_more = all(a <= b for a, b in zip(each.costs, chosen.costs, strict=True))
        is_no_worse = all(a >= b for a, b in zip(each.scores[0], chosen.scores[0], strict=True))
        same = (each.costs, each.scores) == (chosen.costs, chosen.scores)
        assert same or not (costs_no_more and is_no_worse)


@deterministic
@given(st.lists(st.tuples(few_values, few_values, few_values), min_size=1, max_size=30))
def test_moocore_ranks_as_halving_relies_on_peeling_fronts_off_with_equal_points_sharing_a_rank(
    rows: list[tuple[float, float, float]],
) -> None:
    values = np.array(rows)
    ranks = moocore.pareto_rank(values)
    for rank in range(ranks.max() + 1):
        rest = values[ranks >= rank]
        for value, own in zip(rest, ranks[ranks >= rank], strict=True):
            dominated = ((rest <= value).all(1) & (rest < value).any(1)).any()
            assert dominated == (own > rank)
