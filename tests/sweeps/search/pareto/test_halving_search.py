"""Which paused trial pareto trains further, and what it learns from scores at a rung."""

from copy import copy
from functools import cache

import numpy as np
import pytest

from searchspace.architecture import Architecture
from sweeps.search.pareto import halving_search
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.halving_search import LEARNT, HalvingSearch
from sweeps.search.pareto.rungs import LARGEST, calibrated
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


def test_a_hint_inverts_the_relation_between_the_rung_and_the_end() -> None:
    ends = np.array([-1.5, -0.5, 0.0, 0.4, 1.1, 1.7])
    costs = np.array([0.1, 0.9, 0.3, 0.5, 0.2, 0.8])
    rungs = 3 + 0.5 * ends - 2 * costs
    target, variance = calibrated(ends, rungs, costs, np.array([3.3]), np.array([0.1]))
    assert target == pytest.approx([1.0], abs=1e-6)
    assert variance[0] < 1e-6
    # Errors of 0.1 at the rung are errors of 0.1 / 0.5 of the end.
    errors = 0.1 * np.array([1, -1, 1, 1, -1, -1])
    target, variance = calibrated(ends, rungs + errors, costs, np.array([3.3]), np.array([0.1]))
    assert 0.1**2 < variance[0] < 0.4**2


@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_a_rung_that_does_not_rank_says_nothing(slope: float) -> None:
    ends = np.linspace(-2, 2, 12)
    rungs = slope * ends + np.tile([0.3, -0.3, -0.3, 0.3], 3)
    variance = calibrated(ends, rungs, np.zeros(12), np.array([1.0]), np.zeros(1))[1]
    assert variance == [LARGEST]


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
