"""A sweep with `sampler: pareto` and halving, in which the sampler chooses the trials that go on."""

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


def sweep_of(folder: Path, **search: Any) -> SweepConfig:
    folder.mkdir(exist_ok=True)
    settings = {"sampler": "pareto", "halving": {"min_steps": 1, "factor": 2}, **search}
    widths = {"edsr": {"n_feats": [2, 3, 4, 5, 6, 7, 8, 9], "n_blocks": [1, 2]}}
    return small_config(folder, families=widths, search=settings)


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
