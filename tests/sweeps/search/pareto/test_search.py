"""Tests the sampler with known costs: its acquisition function, its model, and what it may not suggest."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint, at_most
from searchspace.space import Space, parse_space
from sweeps.search.pareto import search as search_module
from sweeps.search.pareto import trials
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.expected_improvement import Budgets
from sweeps.search.pareto.search import ParetoSearch
from sweeps.search.pareto.surrogate import Observations, Surrogate


def small_space() -> Space:
    space, faults = parse_space(
        {
            "edsr": {
                "n_feats": [4, 6, 8, 12],
                "n_blocks": [1, 2, 3],
                "upsampler": ["direct", "stepwise", "nearest"],
            }
        },
        (),
    )
    assert not faults
    return space


def search(limits: Sequence[Constraint] = (), trials: int = 20) -> ParetoSearch[Architecture]:
    candidates = Architectures(
        small_space(), constraints=limits, scale=2, minimized=["params", "multadds"], seed=0
    )
    return ParetoSearch(candidates, seed=0, trials=trials, steps=100, levels=[25])


def row_of(searched: ParetoSearch[Architecture], architecture: Architecture) -> int:
    row = searched.candidates.row(architecture)
    assert row is not None
    return row


def params_of(
    searched: ParetoSearch[Architecture], architectures: Sequence[Architecture | None]
) -> list[float]:
    """Scaled logarithms of the parameters."""
    rows = np.array([row_of(searched, each) for each in architectures if each])
    return [float(cost) for cost in searched.candidates.costs(rows)[:, 0]]


def psnr_of(architecture: Architecture) -> float:
    """An invented PSNR [dB] that grows with the width and dislikes one upsampler."""
    knobs = architecture.knobs
    return (
        30 + np.log2(knobs["n_feats"]) + 0.1 * knobs["n_blocks"] - (knobs["upsampler"] == "nearest")
    )


def train(searched: ParetoSearch[Architecture], count: int, first: int = 0) -> list[Architecture]:
    suggested = []
    for number in range(first, first + count):
        architecture = searched.ask(number)
        assert architecture is not None
        searched.observe(architecture, 25, psnr_of(architecture) - 2)
        searched.observe(architecture, 100, psnr_of(architecture))
        searched.end(architecture, failed=False)
        suggested.append(architecture)
    return suggested


TOP = 35.0


def closeness(psnr: float) -> NDArray[np.float64]:
    """Returns the closeness, (1,), which the model predicts in place of a PSNR [dB]."""
    return -np.log(TOP - np.array([psnr]))


def brute_gain(
    front: list[tuple[float, float, float]], candidate: tuple[float, float, float], floor: float
) -> float:
    """What a point of (cost, cost, psnr) adds to the dominated volume, on a fine grid of budgets."""
    axis = np.linspace(0, 1.02, 1021)[:-1] + 0.0005
    u, v = np.meshgrid(axis, axis, indexing="ij")
    best = np.full_like(u, floor)
    for a, b, psnr in front:
        best = np.where((a <= u) & (b <= v), np.maximum(best, psnr), best)
    a, b, psnr = candidate
    return float(np.where((a <= u) & (b <= v), np.maximum(psnr - best, 0), 0).sum() * 1e-6)


def test_gain_of_a_certain_candidate_is_the_volume_that_it_adds() -> None:
    front = [(0.1, 0.4, 30.0), (0.5, 0.2, 31.0), (0.7, 0.9, 33.0)]
    costs, psnr = np.array([p[:2] for p in front]), np.array([p[2] for p in front])
    budgets = Budgets(costs, psnr, 29.0)
    for candidate in [(0.3, 0.3, 32.0), (0.05, 0.95, 29.5), (0.8, 0.95, 32.0), (0.6, 0.1, 34.0)]:
        gain = budgets.expected_gain(
            np.array([candidate[:2]]), closeness(candidate[2]), np.array([1e-6]), TOP
        )
        assert gain[0] == pytest.approx(brute_gain(front, candidate, 29.0), abs=3e-3)


def test_gain_in_expectation_is_the_mean_over_the_psnr() -> None:
    front = [(0.1, 0.4, 30.0), (0.5, 0.2, 31.0)]
    budgets = Budgets(np.array([p[:2] for p in front]), np.array([p[2] for p in front]), 29.0)
    draws = np.random.default_rng(0).normal(closeness(31.0), 0.4, 4000)
    costs = np.tile([[0.3, 0.3]], (len(draws), 1))
    certain = budgets.expected_gain(costs, draws, np.full(len(draws), 1e-6), TOP)
    expected = budgets.expected_gain(costs[:1], closeness(31.0), np.array([0.4]), TOP)
    assert expected[0] == pytest.approx(certain.mean(), rel=0.05)


def test_model_learns_from_shorter_trainings() -> None:
    # 40 short trainings that are offset and compressed, 6 full ones: the ranking comes from the short ones.
    random = np.random.default_rng(0)
    x = random.uniform(0, 1, (40, 2))
    truth = 30 + 2 * np.sin(4 * x[:, 0]) + x[:, 1]
    seen = Observations(
        features=np.concatenate([x[:6], x]),
        task=np.array([0] * 6 + [1] * 40),
        trial=np.array([*range(6), *range(40)]),
        psnr=np.concatenate([truth[:6], 20 + 0.5 * truth]),
    )
    model = Surrogate(seen, np.array([0, 1]), np.array([False, False]))
    predicted, deviation = model.predict(x[6:])
    mean = model.psnr(predicted)
    assert np.corrcoef(mean, truth[6:])[0, 1] > 0.95
    assert np.abs(mean - truth[6:]).mean() < 0.5
    assert (deviation > 0).all()


def test_gradient_of_the_fit_is_that_of_its_loss() -> None:
    from scipy.optimize import approx_fprime

    from sweeps.search.pareto.posterior import negative_posterior

    random = np.random.default_rng(1)
    x, task = random.uniform(0, 1, (12, 2)), np.array([0] * 5 + [1] * 4 + [2] * 3)
    distances = np.stack([np.square(x[:, None, i] - x[None, :, i]) for i in range(2)])
    y = random.normal(size=12)
    prior = np.array([0.4, 0.4, 1.5, 1.5, -3.0, 0.0])
    given = (prior, np.ones(6), distances, x @ x.T, task[:, None] == task, task, y)
    given = (*given, random.uniform(0, 0.2, 12))
    at = prior + random.normal(0, 0.3, 6)
    gradient = negative_posterior(at, *given)[1]
    numeric = approx_fprime(at, lambda logs: negative_posterior(logs, *given)[0], 1e-6)
    assert gradient == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_running_trials_are_not_suggested_again_nor_crowded() -> None:
    searched = search()
    train(searched, 8)
    batch = [searched.ask(number) for number in range(8, 14)]
    assert None not in batch
    assert len({each.key for each in batch if each}) == 6
    assert np.ptp(params_of(searched, batch)) > 0.2


def test_architectures_worse_than_bicubic_are_not_looked_for() -> None:
    searched = search()
    searched.floors[0] = 33.0  # two blocks of 8 features reach 33.2
    suggested = train(searched, 14)
    hopeless = [psnr_of(each) < 32.5 for each in suggested[8:]]
    assert sum(hopeless) <= 1


def test_front_below_bicubic_is_looked_for_once_nothing_better_was_found() -> None:
    searched = search()
    searched.floors[0] = 60.0
    train(searched, 14)
    assert searched._worthless(0) is None
    assert searched._least(0, np.array([[30.0], [31.0]])) < 30.0


def test_shorter_trainings_count_where_trials_were_halted_alone() -> None:
    searched = search()
    train(searched, 5)
    assert set(searched.trials.observations(searched.candidates.features, 0).task) == {0}
    halted = searched.ask(5)
    assert halted is not None
    searched.observe(halted, 25, 29.0)
    assert set(searched.trials.observations(searched.candidates.features, 0).task) == {
        0
    }  # it is running
    searched.end(halted, failed=False)
    assert (
        sorted(searched.trials.observations(searched.candidates.features, 0).task)
        == [0] * 5 + [1] * 6
    )


def test_first_suggestions_are_spread_along_the_costs() -> None:
    searched = search(trials=80)
    suggested = train(searched, 6)
    logs = sorted(params_of(searched, suggested))
    assert logs[0] < 0.3
    assert logs[-1] > 0.6


def test_every_feasible_architecture_is_suggested_once_and_then_none() -> None:
    limit = at_most("params", 9000)
    searched = search((limit,))
    total = len(searched.candidates.feasible)
    suggested = train(searched, total)
    assert len({each.key for each in suggested}) == total
    assert all(limit.holds(each, 2) for each in suggested)
    assert searched.ask(total) is None


def test_suggestion_depends_on_seed_number_and_what_was_told_alone() -> None:
    first, again = search(), search()
    train(first, 9)
    for known in list(first.known.values()):
        architecture = first.candidates.item(known.row)
        again.add(architecture)
        for step, psnr in known.curve.items():
            again.observe(architecture, step, psnr)
        again.end(architecture, failed=False)
    assert first.ask(9) == again.ask(9)


def test_model_finds_better_architectures_than_chance() -> None:
    searched = search()
    suggested = train(searched, 16)
    bad = [each.knobs["upsampler"] == "nearest" for each in suggested[6:]]
    assert sum(bad) <= 1


def test_earlier_sweeps_shorten_the_spread_and_steer_the_first_suggestions() -> None:
    searched = search()
    architectures = list(small_space().architectures)
    for architecture in architectures[::2]:
        searched.warm_start(0, architecture, psnr_of(architecture) + 3)
    suggested = train(searched, 12)
    assert searched.num_initial == 2
    assert sum(each.knobs["upsampler"] == "nearest" for each in suggested[2:]) <= 1


def test_objective_that_is_no_sum_of_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="pareto needs costs among params"):
        Architectures(small_space(), constraints=(), scale=2, minimized=["memory"], seed=0)


def test_a_stopped_trial_is_no_member_of_the_front() -> None:
    searched = search()
    trained = train(searched, 6)
    models = searched._models()
    for number in range(6, 12):
        stopped = searched.ask(number)
        assert stopped is not None
        searched.end(stopped, failed=False, stopped=True)
    front = searched._front(models)
    assert len(front.costs) == 6
    assert sorted(front.scores[:, 0]) == sorted(psnr_of(each) for each in trained)
    # A stopped trial that is resumed may become a member again.
    searched.resume(stopped)
    assert len(searched._front(models).costs) == 7


def test_the_newest_trainings_and_the_front_reach_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials, "MAX_OBSERVED", 16)
    monkeypatch.setattr(search_module, "MAX_OBSERVED", 16)
    searched = search()
    rows = [row_of(searched, each) for each in train(searched, 30)]
    (model,) = searched._models()
    known = set(model.seen.trial.tolist())
    assert len(known) == 16
    assert {rows[29], rows[28]} <= known
    front = searched._front_rows()
    assert len(known & set(front)) == min(len(front), 8)
    assert known & set(rows[:10])
