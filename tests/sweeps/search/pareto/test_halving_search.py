"""Which paused trial pareto trains further, and what it learns from scores at a rung."""

from copy import copy
from functools import cache

import numpy as np
import pytest

from searchspace.architecture import Architecture
from sweeps.search.pareto import halving_search
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.halving_search import LEARNT, HalvingSearch
from sweeps.search.pareto.rungs import LARGEST, hints, sure_correlation
from sweeps.search.pareto.surrogate import Surrogate
from tests.sweeps.search.pareto.test_search import psnr_of, small_space

STEPS, RUNG = 100, 25


@cache
def candidates() -> Architectures:
    return Architectures(
        small_space(), constraints=(), scale=2, minimized=["params", "multadds"], seed=0
    )


def search() -> HalvingSearch[Architecture]:
    return HalvingSearch(candidates(), seed=0, trials=20, steps=STEPS, rungs=[RUNG])


def start(searched: HalvingSearch[Architecture], number: int, at_rung: float) -> Architecture:
    """Trains the next suggestion to the rung, where its score is 2 dB below its final one, plus `at_rung`."""
    suggested = searched.ask(number)
    assert suggested is not None
    searched.observe(suggested, RUNG, psnr_of(suggested) - 2 + at_rung)
    searched.end(suggested, failed=False)
    return suggested


def finish(searched: HalvingSearch[Architecture], paused: Architecture) -> None:
    searched.resume(paused)
    searched.observe(paused, STEPS, psnr_of(paused))
    searched.end(paused, failed=False)


def learnt(noise: float = 0.0) -> HalvingSearch[Architecture]:
    """A search with LEARNT full trainings. The scores at the rung have errors of `noise` dB."""
    searched, random = search(), np.random.default_rng(0)
    for number in range(LEARNT):
        finish(searched, start(searched, number, noise * random.normal()))
    return searched


@cache
def _model() -> Surrogate:
    (model,) = learnt()._models()
    return model


def test_worked_example() -> None:
    target, variance = hints(0.5, np.array([-2.0]), np.array([1.0]), np.array([0.2]))
    assert target == pytest.approx([0.2])
    assert variance == pytest.approx([0.12])
    certainty = 1 / 0.2**2 + 1 / variance
    assert (1 / 0.2**2 + target / variance) / certainty == pytest.approx([0.8])
    assert 1 / certainty == pytest.approx([0.03])


def test_a_rung_that_does_not_rank_says_nothing() -> None:
    ends = np.linspace(-2, 2, 12)
    errors = np.tile([0.3, -0.3, -0.3, 0.3], 3)
    for rungs in (errors, errors - ends):
        correlation = sure_correlation(ends, rungs)
        mean, variance = hints(correlation, np.array([5.0]), np.array([1.0]), np.array([0.2]))
        assert (correlation, mean, variance) == (0.0, [1.0], [LARGEST])


def test_the_same_correlation_counts_less_among_fewer_trials() -> None:
    few, many = (np.tile([-1.0, 1.0, 0.5, -0.5], count) for count in (3, 30))
    apart = [sure_correlation(ends, ends + np.roll(ends, 1)) for ends in (few, many)]
    assert 0 < apart[0] < apart[1] < np.corrcoef(few, few + np.roll(few, 1))[0, 1]


def test_an_error_is_the_distance_from_the_prediction_by_all_other_trials() -> None:
    model = _model()
    errors, rows = model.errors(), model.seen.trial
    without = copy(model)
    others = np.arange(LEARNT) != 5
    zeros = np.zeros(LEARNT - 1)
    without._condition(model.x[others], model.task[others], model.y[others], zeros)
    mean, deviation = without.predict(model.x[[5]])
    expected = (model.centre + model.spread * model.y[5] - mean[0]) / deviation[0]
    assert errors[rows[5]] == pytest.approx(expected, rel=1e-6)
    # The ends that the model knows have errors in the same proportion, if they are given as values.
    of_ends = model.errors_of(model.x, model.y, LEARNT)
    apart = np.array([errors[row] for row in rows.tolist()])
    assert of_ends == pytest.approx(apart / np.sqrt(np.mean(apart**2)), abs=0.05)


def test_a_new_trial_changes_no_error_of_those_that_have_ended() -> None:
    model = _model()
    features = np.concatenate([model.x, model.x[[5]]])
    ended = model.errors_of(model.x, model.y, LEARNT)
    for value in (model.y[5], model.y[5] - 10):
        errors = model.errors_of(features, np.append(model.y, value), LEARNT)
        assert errors[:LEARNT] == pytest.approx(ended)
    # The model has seen this architecture end there, so its noise alone makes a difference.
    assert errors[LEARNT] < -5


@pytest.mark.parametrize("variance", [1e-6, 0.01, 1.0, LARGEST])
def test_prediction_and_hint_are_weighted_by_their_certainty(variance: float) -> None:
    model = copy(_model())
    features = candidates().features(np.array([3]))
    mean, deviation = (each[0] / model.spread for each in model.predict(features))
    model.hear(features, np.array([2.0]), np.array([variance]))
    heard, left = (each[0] / model.spread for each in model.predict_heard())
    # The product of two normal densities.
    certainty = 1 / deviation**2 + 1 / variance
    hint = model.centre / model.spread + 2.0
    assert heard == pytest.approx((mean / deviation**2 + hint / variance) / certainty, rel=1e-4)
    assert left == pytest.approx(certainty**-0.5, rel=1e-3)


def test_every_trial_goes_on_until_enough_were_trained_in_full() -> None:
    searched = search()
    for number in range(LEARNT):
        poor = start(searched, number, at_rung=-5.0)
        assert searched.promote(number + 1, [poor]) == poor
        finish(searched, poor)


def test_only_a_trial_that_is_poor_at_a_rung_that_ranks_stays_paused() -> None:
    searched = learnt(noise=0.02)
    poor = start(searched, LEARNT, at_rung=-1.5)
    assert searched.promote(LEARNT + 1, [poor]) is None
    good = start(searched, LEARNT + 1, at_rung=0.0)
    assert searched.promote(LEARNT + 2, [poor, good]) == good


def test_a_trial_goes_on_if_the_rung_does_not_rank() -> None:
    searched = learnt(noise=40.0)
    paused = start(searched, LEARNT, at_rung=-1.5)
    assert searched.promote(LEARNT + 1, [paused]) == paused


def test_a_trial_with_a_little_gain_goes_on_if_no_new_one_may_start() -> None:
    searched = learnt(noise=0.02)
    poor = start(searched, LEARNT, at_rung=-0.3)
    assert searched.promote(LEARNT + 1, [poor]) is None
    assert searched.promote(None, [poor]) == poor


def test_a_question_about_promotion_changes_no_suggestion() -> None:
    asked, silent = learnt(0.02), learnt(0.02)
    poor = start(asked, LEARNT, at_rung=-1.5)
    assert start(silent, LEARNT, at_rung=-1.5) == poor
    assert asked.promote(LEARNT + 1, [poor]) is None
    assert asked.ask(LEARNT + 1) == silent.ask(LEARNT + 1)


def test_a_paused_trial_is_no_member_of_the_front() -> None:
    searched = learnt()
    paused = start(searched, LEARNT, at_rung=0.0)
    models = searched._models()
    assert len(searched._front(models).costs) == LEARNT
    searched.resume(paused)
    assert len(searched._front(models).costs) == LEARNT + 1


def test_the_newest_trials_at_a_rung_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halving_search, "MAX_HEARD", 2)
    searched = learnt()
    paused = [start(searched, LEARNT + i, at_rung=-1.0) for i in range(3)]
    heard = [candidates().item(known.row) for known in searched._halted()]
    assert heard == paused[1:]
