"""`seeds: 3`: each architecture is trained with three seeds, and the search learns the means."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import pytest

from sweeps.config.sweep_config import ConfigError, SweepConfig
from sweeps.engine.sweep import Sweep
from sweeps.records import Outcome, Record
from sweeps.store.store import Store
from sweeps.train.segment import Segment
from tests.cluster.rows import rows
from tests.sweeps.engine.test_order_of_results import evaluation
from tests.sweeps.sweeps_for_tests import small_config, start

HALVING = {"min_steps": 1, "factor": 2}
Train = Callable[[Segment], tuple[Record, ...]]


def trained(segment: Segment) -> tuple[Record, ...]:
    step = segment.until_step
    return evaluation(segment, step), Outcome(step=step, seconds=1.0)


def config_of(folder: Path, *, seeds: int = 3, **search: Any) -> SweepConfig:
    folder.mkdir(exist_ok=True)
    search = {"sampler": "random", "trials": 4, **search}
    return small_config(folder, seeds=seeds, search=search)


def opened(config: SweepConfig) -> Sweep:
    return Sweep(config, Store(config.storage), holder="test")


def dies(sweep: Sweep) -> None:
    """Ends the driver as SIGKILL does: nothing is stored. Its lease has then expired."""
    sweep.keeper.close()
    sweep.store.release_lease(sweep.id, sweep.token)
    sweep.store.close()


def run(config: SweepConfig, train: Train = trained, *, kills: bool = False) -> Sweep:
    """Runs a sweep to its end. With `kills`, its driver dies before and after each result."""
    sweep = opened(config)
    while not sweep.done:
        segment = start(sweep)
        if kills:
            dies(sweep)
            sweep = opened(config)
            segment = start(sweep)
        sweep.handle(segment, *train(segment))
        if kills:
            dies(sweep)
            sweep = opened(config)
    sweep.close()
    sweep.store.close()
    return sweep


def test_each_architecture_is_trained_with_three_seeds(tmp_path: Path) -> None:
    """The first trial of each architecture is the one that the sweep would have trained without `seeds`."""
    one, three = config_of(tmp_path / "one", seeds=1), config_of(tmp_path / "three")
    run(one)
    run(three)
    alone, found = rows(one.storage, "tiny"), rows(three.storage, "tiny")
    assert [(row[0], row[3], row[4]) for row in found["trials"]] == [
        (number, number % 3, "complete") for number in range(12)
    ]
    firsts = [row for row in found["trials"] if row[3] == 0]
    assert [row[1:] for row in firsts] == [row[1:] for row in alone["trials"]]
    scores = [row for row in found["measurements"] if row[0] % 3 == 0]
    assert [(row[0] // 3, *row[1:]) for row in scores] == alone["measurements"]


@pytest.mark.parametrize(
    ("sampler", "halving"),
    [
        ("random", HALVING),
        ("tpe", None),
        pytest.param("pareto", None, marks=pytest.mark.slow),
    ],
)
def test_a_killed_sweep_gives_the_rows_of_an_undisturbed_one(
    tmp_path: Path, sampler: str, halving: dict[str, int] | None
) -> None:
    settings = {"sampler": sampler, "halving": halving, "trials": 3}
    undisturbed = config_of(tmp_path / "a", seeds=2, **settings)
    killed = config_of(tmp_path / "b", seeds=2, **settings)
    run(undisturbed)
    run(killed, kills=True)
    assert rows(killed.storage, "tiny") == rows(undisturbed.storage, "tiny")


def test_halving_promotes_first_trials_only(tmp_path: Path) -> None:
    """Further seeds train in full, and only for architectures whose first trial is complete."""
    config = config_of(tmp_path, halving=HALVING, trials=6)
    rungs: dict[int, list[int]] = {}
    run(config, lambda s: rungs.setdefault(s.number, []).append(s.until_step) or trained(s))  # type: ignore[func-returns-value]
    found = rows(config.storage, "tiny")["trials"]
    firsts = {row[0]: row[4] for row in found if row[3] == 0}
    assert list(firsts) == [0, 3, 6, 9, 12, 15]  # numbers are reserved for seeds that never start
    complete = [number for number, state in firsts.items() if state == "complete"]
    assert 1 <= len(complete) < 6
    further = [row[0] for row in found if row[3] > 0]
    assert further == [n + seed for n in complete for seed in (1, 2)]
    assert all(rungs[number] == [4] for number in further)
    assert all(rungs[number] == [1, 2, 4] for number in complete)


def test_the_search_learns_means_and_their_scatter(tmp_path: Path) -> None:
    sweep = opened(config_of(tmp_path, sampler="pareto", trials=1))
    reported: list[Any] = []
    told: list[Any] = []
    sweep.suggester.sampler.report = lambda *given: reported.append(given[1:])  # type: ignore[method-assign]
    sweep.suggester.sampler.tell = lambda *given, **_: told.append(given[1])  # type: ignore[method-assign]
    scores: list[float] = []
    while not sweep.done:
        segment = start(sweep)
        records = trained(segment)
        scores.append(records[0].measurements[0].value)  # type: ignore[union-attr]
        assert not told
        sweep.handle(segment, *records)
    sweep.close()
    assert [values[0] for values in told] == [fmean(scores)]
    assert "psnr_y" not in reported[0][2]
    step, means, scatter = reported[2]
    assert (step, means["psnr_y"]) == (4, fmean(scores))
    assert (scatter["psnr_y"].count, scatter["psnr_y"].variance) == (3, variance(scores))


def failing(bad: Callable[[Segment], bool]) -> Train:
    ended = Outcome(step=1, error="training has diverged", final=True, seconds=1.0)
    return lambda segment: (ended,) if bad(segment) else trained(segment)


def test_a_failed_seed_leaves_the_mean_over_the_others(tmp_path: Path) -> None:
    sweep = run(config_of(tmp_path, trials=1), failing(lambda s: s.seed == 1))
    (repeats,) = sweep.repeats.values()
    assert [trial.state for trial in repeats.trials] == ["complete", "failed", "complete"]
    kept = [trial.scores["psnr_y"] for trial in repeats.complete]
    assert repeats.values(sweep.config)["psnr_y"] == fmean(kept)


def test_an_architecture_whose_first_trial_fails_gets_no_further_seeds(tmp_path: Path) -> None:
    config = config_of(tmp_path, trials=2)
    run(config, failing(lambda s: s.number == 0))
    found = rows(config.storage, "tiny")["trials"]
    assert [(row[0], row[4]) for row in found] == [
        (0, "failed"),
        *((number, "complete") for number in (3, 4, 5)),
    ]


def test_seeds_can_be_raised_for_a_finished_sweep_and_lowered_again(tmp_path: Path) -> None:
    run(config_of(tmp_path, seeds=1, trials=2))
    before = rows(config_of(tmp_path).storage, "tiny")
    run(config_of(tmp_path, seeds=3, trials=3))
    found = rows(config_of(tmp_path).storage, "tiny")
    assert found["trials"][:2] == before["trials"]
    by_network: dict[str, list[int]] = {}
    for row in found["trials"]:
        by_network.setdefault(row[1], []).append(row[3])
    assert sorted(by_network.values()) == [[0, 1, 2]] * 3
    lowered = run(config_of(tmp_path, seeds=1, trials=3))
    assert rows(lowered.config.storage, "tiny") == found


def test_search_steps_are_spent_on_whole_architectures(tmp_path: Path) -> None:
    """Two architectures with three seeds of 4 steps take 24 steps. A third one would exceed 30."""
    config = config_of(tmp_path, steps=30)
    run(config)
    assert len(rows(config.storage, "tiny")["trials"]) == 6
    # A sweep that had used up its steps may still get more seeds, but then it has too few steps for them.
    sweep = run(config_of(tmp_path, seeds=5, steps=30))
    assert len(sweep.trials) == 7
    assert all(each.is_finished for each in sweep.repeats.values())


def test_hours_end_a_sweep_between_two_seeds(tmp_path: Path) -> None:
    def an_hour(segment: Segment) -> tuple[Record, ...]:
        made, ended = trained(segment)
        measured = made.measurements[0]  # type: ignore[union-attr]
        spent = type(measured)(step=4, dataset="train", name="seconds", value=3600.0)
        made = type(made)(step=4, measurements=(*made.measurements, spent))  # type: ignore[call-arg, union-attr]
        return made, ended

    sweep = run(config_of(tmp_path, hours=2), an_hour)
    (repeats,) = sweep.repeats.values()
    assert len(repeats.trials) == 2
    assert repeats.is_finished


def test_weights_of_all_seeds_of_the_front_are_kept(tmp_path: Path) -> None:
    sweep = run(config_of(tmp_path, trials=5))
    for repeats in sweep.repeats.values():
        freed = {trial.number in sweep.freed for trial in repeats.trials}
        assert len(freed) == 1
    assert 0 < len(sweep.freed) < len(sweep.trials)


def test_only_the_first_trial_measures_the_latency(tmp_path: Path) -> None:
    config = small_config(tmp_path, seeds=2, budget={"latency": "900 ms"})
    sweep = opened(config)
    first = start(sweep)
    assert first.timing is not None
    sweep.handle(first, *trained(first))
    second = start(sweep)
    sweep.close()
    assert (second.seed, second.timing) == (1, None)


def test_a_last_seed_beyond_the_largest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"seeds: seed \+ seeds - 1 must be below 2,147,483,648"):
        small_config(tmp_path, seed=2**31 - 2, seeds=3)
    with pytest.raises(ConfigError, match="search.steps: must allow one architecture"):
        config_of(tmp_path, steps=11)


def test_repeated_trainings_tell_the_model_how_noisy_one_is() -> None:
    import numpy as np

    from sweeps.search.pareto.surrogate import Observations, Surrogate

    x = np.linspace(0, 1, 8)[:, None]
    groups, is_cost = np.array([0]), np.array([False])
    common = {
        "features": x,
        "task": np.zeros(8, np.int64),
        "trial": np.arange(8),
        "psnr": 30 + x[:, 0],
    }

    def deviation(count: int, variance: float, seeds: int) -> float:
        seen = Observations(**common, count=np.full(8, count), variance=np.full(8, variance))
        return float(Surrogate(seen, groups, is_cost, seeds=seeds).predict(x[:1])[1][0])

    alone = Surrogate(Observations(**common), groups, is_cost).predict(x[:1])[1][0]
    assert deviation(1, 0.0, 1) == alone
    assert deviation(3, 0.0, 3) == pytest.approx(alone)
    assert deviation(3, 0.01, 3) > alone
    assert deviation(3, 0.01, 1) > deviation(3, 0.01, 3)
    assert math.isfinite(deviation(3, 100.0, 3))
