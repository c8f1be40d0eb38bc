"""Tests which trial halving continues, and complete sweeps with halving, interrupted or not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.config.sweep_config import ConfigError
from sweeps.drivers import local
from sweeps.engine.limits import non_dominated
from sweeps.engine.sweep import Sweep
from sweeps.search.halving import Candidate, next_promotion
from sweeps.search.pareto import halving_search
from sweeps.search.settings import HalvingSettings
from sweeps.store.store import Store
from sweeps.train import segment as segments
from tests.sweeps.sweeps_for_tests import SMALL, small_config

SPACE = {
    "slwsr": {
        "n_feats": [2, 3, 4, 5, 6],
        "n_blocks": [2, 3],
        "local_blocks": 2,
        "pool_layers": ["none", "default"],
    }
}
HALVING = {"min_steps": 1, "factor": 2}


def halving_sweep(
    folder: Path, sampler: str = "random", train: dict[str, Any] = SMALL["train"], **search: Any
) -> Sweep:
    settings = {"sampler": sampler, "trials": 10, "halving": HALVING, **search}
    config = small_config(folder, families=SPACE, search=settings, train=train)
    sweep = Sweep(config, Store(config.storage), holder="test")
    opened.append(sweep)
    return sweep


opened: list[Sweep] = []


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while opened:
        sweep = opened.pop()
        sweep.close()
        sweep.store.close()


def waiting(number: int, cost: float, score: float) -> Candidate:
    return Candidate(number=number, costs=(cost,), scores=((score,),))


def states(sweep: Sweep) -> list[tuple[str, int]]:
    return [(each.state, each.step) for each in sweep.trials.values()]


def test_rungs_multiply_up_to_the_full_training() -> None:
    assert HalvingSettings(min_steps=2_000).rungs(100_000) == (2_000, 8_000, 32_000, 100_000)
    assert HalvingSettings(min_steps=1, factor=2).rungs(4) == (1, 2, 4)
    # A rung at 9 of 10 steps would save next to nothing.
    assert HalvingSettings(min_steps=3, factor=3).rungs(10) == (3, 10)


def test_nothing_is_promoted_before_as_many_as_the_factor_have_arrived() -> None:
    three = [waiting(n, 100.0, 20.0 + n) for n in range(3)]
    assert next_promotion(three, 2, 4) is None
    chosen = next_promotion([*three, waiting(3, 100.0, 19.0)], 2, 4)
    assert chosen is not None
    assert chosen.number == 2


def test_small_networks_survive_beside_better_large_ones() -> None:
    # PSNR alone would promote the large half only.
    trials = [waiting(n, 10.0 ** (1 + n / 8), 20.0 + n) for n in range(32)]
    promoted = []
    while (chosen := next_promotion(trials, 2, 4)) is not None:
        promoted.append(chosen.number)
        trials = [
            Candidate(number=t.number, costs=t.costs, scores=t.scores, target=1)
            if t.number == chosen.number
            else t
            for t in trials
        ]
    assert len(promoted) == 8
    by_band = np.bincount(np.array(promoted) // 8, minlength=4)
    assert by_band.tolist() == [2, 2, 2, 2]


def test_dominated_trial_waits_for_the_one_that_dominates_it() -> None:
    trials = [waiting(0, 100.0, 20.0), waiting(1, 90.0, 21.0), waiting(2, 100.0, 19.0)]
    trials += [waiting(3, 110.0, 18.0)]
    chosen = next_promotion(trials, 2, 4)
    assert chosen is not None
    assert chosen.number == 1


def test_the_front_of_a_rung_goes_on_before_the_best_of_a_band_that_is_dominated() -> None:
    # The dear half is dominated by the cheap one, whose best three are all on the front.
    cheap = [waiting(n, 10.0 + n, 30.0 + n % 5) for n in range(8)]
    dear = [waiting(8 + n, 1000.0 + n, 20.0 + n) for n in range(8)]
    trials, promoted = [*cheap, *dear], []
    for _ in range(3):
        chosen = next_promotion(trials, 2, 4)
        assert chosen is not None
        promoted.append(chosen.number)
        trials[chosen.number] = replace(chosen, target=1)
    assert set(promoted) < set(range(5))


def test_of_a_front_the_one_that_is_furthest_ahead_goes_first() -> None:
    # Each beats all that cost no more: number 2 by 3 dB, the others by 1 dB or less.
    scores = (20.0, 21.0, 24.0, 24.5)
    trials = [waiting(n, 100.0 * (1 + n), score) for n, score in enumerate(scores)]
    trials[0] = replace(trials[0], target=1)
    chosen = next_promotion([*trials, *(waiting(4 + n, 900.0, 5.0) for n in range(4))], 2, 4)
    assert chosen is not None
    assert chosen.number == 2


def test_trial_on_its_way_is_not_promoted_again() -> None:
    trials = [waiting(n, 100.0, 20.0) for n in range(4)]
    trials[2] = Candidate(number=2, costs=(100.0,), scores=((25.0,),), target=1)
    assert next_promotion(trials, 3, 4) is None


def test_halving_trains_few_in_full_and_records_the_others_as_stopped(tmp_path: Path) -> None:
    sweep = halving_sweep(tmp_path)
    local.run(sweep)
    reached = [step for _, step in states(sweep)]
    assert sorted(set(reached)) == [1, 2, 4]
    assert all((state == "complete") == (step == 4) for state, step in states(sweep))
    assert {state for state, _ in states(sweep)} == {"complete", "stopped"}
    assert reached.count(4) <= 3
    stored = [row.state for row in sweep.store.trials(sweep.id)]
    assert stored == [state for state, _ in states(sweep)]


@pytest.mark.parametrize(
    ("cut", "sampler", "schedule"),
    [
        (3, "random", "cosine_restarts"),
        pytest.param(8, "random", "one_cycle", marks=pytest.mark.slow),
        pytest.param(3, "pareto", "one_cycle", marks=pytest.mark.slow),
        pytest.param(11, "pareto", "cosine_restarts", marks=pytest.mark.slow),
    ],
)
def test_sweep_cut_in_the_middle_ends_with_the_same_rows(
    tmp_path: Path, sampler: str, cut: int, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halving_search, "LEARNT", 4)
    train = {**SMALL["train"], "schedule": schedule}
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
    whole = halving_sweep(tmp_path / "whole", sampler, train)
    local.run(whole)
    first = halving_sweep(tmp_path / "cut", sampler, train)
    for _ in range(cut):
        segment = first.next_segment()
        assert segment is not None
        for record in segments.run(segment):
            first.handle(segment, record)
    # Killed with one more segment under way: its first records are stored, its end is not.
    segment = first.next_segment()
    assert segment is not None
    first.handle(segment, next(iter(segments.run(segment))))
    first.keeper.close()
    first.store.release_lease(first.id, first.token)
    resumed = halving_sweep(tmp_path / "cut", sampler, train)
    local.run(resumed)
    assert states(resumed) == states(whole)
    assert front(resumed) == front(whole)


@pytest.mark.slow
def test_complete_trials_have_the_history_of_a_training_without_halving(tmp_path: Path) -> None:
    train = {**SMALL["train"], "schedule": "cosine_restarts", "steps": 5, "evaluate_every": 4}
    halving = {"min_steps": 1, "factor": 3}
    (tmp_path / "halved").mkdir()
    halved = halving_sweep(tmp_path / "halved", train=train, halving=halving)
    local.run(halved)
    train["restarts"] = [1, 3]
    in_full = halving_sweep(tmp_path, train=train, halving=None)
    local.run(in_full)
    expected = {each.architecture.key: each.curve for each in in_full.trials.values()}
    complete = [each for each in halved.trials.values() if each.state == "complete"]
    assert complete
    for each in complete:
        assert each.curve == expected[each.architecture.key]
        assert list(each.curve) == [1, 3, 4, 5]


def front(sweep: Sweep) -> list[tuple[str, float]]:
    complete = [each for each in sweep.trials.values() if each.state == "complete"]
    kept = non_dominated([each.values(sweep.config) for each in complete], sweep.config.objectives)
    return [
        (each.architecture.key, each.scores["psnr_y"])
        for each, keeps in zip(complete, kept, strict=True)
        if keeps
    ]


def test_paused_trials_are_not_recorded_as_stopped_while_the_sweep_goes_on(tmp_path: Path) -> None:
    sweep = halving_sweep(tmp_path)
    for _ in range(4):
        segment = sweep.next_segment()
        assert segment is not None
        for record in segments.run(segment):
            sweep.handle(segment, record)
    assert {row.state for row in sweep.store.trials(sweep.id)} <= {"paused", "running", "complete"}


def test_weights_are_kept_for_the_front_alone(tmp_path: Path) -> None:
    sweep = halving_sweep(tmp_path)
    local.run(sweep)
    complete = [each for each in sweep.trials.values() if each.state == "complete"]
    kept = {int(path.parent.name) for path in tmp_path.glob("runs/tiny/*/*.pt")}
    on_front = {key for key, _ in front(sweep)}
    assert kept == {each.number for each in complete if each.architecture.key in on_front}


def test_steps_of_the_plan_are_not_exceeded(tmp_path: Path) -> None:
    sweep = halving_sweep(tmp_path, trials=1000, steps=14)
    local.run(sweep)
    assert 12 <= sum(step for _, step in states(sweep)) <= 14
    assert sweep.done


def test_hours_of_the_plan_end_the_sweep(tmp_path: Path) -> None:
    sweep = halving_sweep(tmp_path, trials=1000, hours=1e-9)
    local.run(sweep)
    assert len(sweep.trials) == 1


@pytest.mark.slow
def test_sweep_ends_when_little_is_to_be_gained(tmp_path: Path) -> None:
    sweep = halving_sweep(tmp_path, "pareto", trials=20, halving=None, min_gain=0.9)
    local.run(sweep)
    assert 5 <= len(sweep.trials) < 20
    sweep.close()
    again = halving_sweep(tmp_path, "pareto", trials=20, halving=None, min_gain=0.9)
    local.run(again)
    assert len(again.trials) == len(sweep.trials)
    again.close()
    further = halving_sweep(tmp_path, "pareto", trials=20, halving=None, min_gain=1e-9)
    local.run(further)
    assert len(further.trials) > len(sweep.trials)


def test_threshold_of_gain_needs_the_sampler_that_expects_gains(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="min_gain: needs sampler: pareto"):
        halving_sweep(tmp_path, "tpe", min_gain=0.1)


def test_pareto_without_a_cost_to_minimize_is_a_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pareto needs psnr_y, ssim_y or psnr_rgb and costs"):
        small_config(tmp_path, objectives={"psnr_y": "maximize"}, search={"sampler": "pareto"})
