"""A sweep with `sampler: pareto` and halving, in which the sampler chooses the trials that go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.config.sweep_config import SweepConfig
from sweeps.records import Evaluation, Measurement, Outcome, Record
from sweeps.search.pareto import halving_search
from sweeps.train.segment import Segment
from tests.cluster.rows import rows
from tests.sweeps.engine.test_seeds import dies, opened, run
from tests.sweeps.sweeps_for_tests import small_config, start


def trained(segment: Segment) -> tuple[Record, ...]:
    """Trains a network whose score grows with its width. Every second network trains badly from the start."""
    step = segment.until_step
    psnr = 30 + np.log(segment.knobs["n_feats"]) + 0.3 * np.log(step) - 1.5 * (segment.number % 2)
    measured = Measurement(step=step, dataset="validation", name="psnr_y", value=float(psnr))
    return Evaluation(step=step, measurements=(measured,)), Outcome(step=step, seconds=1.0)


@pytest.fixture(autouse=True)
def _few_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halving_search, "LEARNT", 4)


def sweep_of(folder: Path, seeds: int = 1, **search: Any) -> SweepConfig:
    folder.mkdir(exist_ok=True)
    settings = {"sampler": "pareto", "halving": {"min_steps": 1, "factor": 2}, **search}
    widths = {"edsr": {"n_feats": [2, 3, 4, 5, 6, 7, 8, 9], "n_blocks": [1, 2]}}
    return small_config(folder, families=widths, seeds=seeds, search=settings)


def test_a_sweep_that_is_killed_among_promotions_trains_the_same(tmp_path: Path) -> None:
    undisturbed, killed = (sweep_of(tmp_path / name, trials=9) for name in "ab")
    run(undisturbed, trained)
    sweep = opened(killed)
    for count in range(17):
        segment = start(sweep)
        if count == 13:  # before the first result of a trial that follows the fifth
            dies(sweep)
            sweep = opened(killed)
            segment = start(sweep)
        sweep.handle(segment, *trained(segment))
    dies(sweep)
    run(killed, trained)
    found = rows(undisturbed.storage, "tiny")
    assert rows(killed.storage, "tiny") == found
    states = [row[4] for row in found["trials"]]
    assert set(states[:4]) == {"complete"}
    assert set(states[4:]) == {"complete", "stopped"}


def test_no_trial_starts_that_the_budget_could_not_train_in_full(tmp_path: Path) -> None:
    sweep = run(sweep_of(tmp_path, trials=100, steps=31), trained)
    ends = [(trial.state, trial.step) for trial in sweep.trials.values()]
    assert 27 < sum(step for _, step in ends) <= 31


def suggestions(config: SweepConfig, die: Callable[[int], bool]) -> list[tuple[Any, ...]]:
    """Runs a sweep with one worker to its end, and returns what it trained, in order, with the expected gain of each new
    network.

    The driver dies before the result of each segment for which `die` is true, and again after this result.
    """
    sweep, told = opened(config), []
    while not sweep.done:
        segment = start(sweep)
        gain = sweep.suggester.sampler.gain if segment.until_step == 1 else None
        if die(len(told)):
            dies(sweep)
            sweep = opened(config)
            segment = start(sweep)
        knobs = {name: segment.knobs[name] for name in ("n_feats", "n_blocks")}
        told.append((segment.number, *knobs.values(), segment.seed, segment.until_step, gain))
        step, width = segment.until_step, np.log(knobs["n_feats"]) + 0.1 * knobs["n_blocks"]
        # Every third network trains badly from the start, and seeds differ a little.
        psnr = 30 + width + 0.3 * np.log(step) - 1.5 * (segment.number // 2 % 3 == 1)
        psnr += 0.02 * np.sin(segment.seed + 7 * width)
        measured = Measurement(step=step, dataset="validation", name="psnr_y", value=float(psnr))
        sweep.handle(segment, Evaluation(step=step, measurements=(measured,)), Outcome(step=step))
        if die(len(told) - 1):
            dies(sweep)
            sweep = opened(config)
    dies(sweep)
    return told


def test_pareto_with_halving_and_seeds_suggests_the_same_however_often_it_is_killed(
    tmp_path: Path,
) -> None:
    undisturbed = suggestions(sweep_of(tmp_path / "a", seeds=2, trials=9), lambda place: False)
    killed = suggestions(sweep_of(tmp_path / "b", seeds=2, trials=9), lambda place: place % 6 == 0)
    assert killed == undisturbed
    # The driver died in a new network, in promoted ones at both rungs, and in a second seed.
    assert {(each[3], each[4]) for each in undisturbed[::6]} == {(0, 1), (0, 2), (0, 4), (1, 4)}
    rungs: dict[int, list[int]] = {}
    for number, _, _, _, until_step, _ in undisturbed:
        rungs.setdefault(number, []).append(until_step)
    # Some networks stay paused, and the others are trained in full with both seeds.
    assert {tuple(of) for of in rungs.values()} == {(1,), (1, 2, 4), (4,)}


def test_a_focus_may_be_added_when_a_sweep_resumes(tmp_path: Path) -> None:
    run(sweep_of(tmp_path, trials=5, halving=None), trained)
    focused = sweep_of(tmp_path, trials=8, halving=None, focus={"params": "900..2000"})
    trials = run(focused, trained).trials
    assert [trial.state for trial in trials.values()] == ["complete"] * 8
    params = [trial.values(focused)["params"] for trial in trials.values()]
    assert max(params[:5]) > 2_000 >= max(params[5:])  # the eighth would have 3,524
