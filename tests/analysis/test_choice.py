"""Finding a trial's weights, also where its sweep keeps them in an object store."""

import shutil
from pathlib import Path

import pytest

from analysis.load import load_trials
from srsweep.choice import TrialReference, choose, remember
from sweeps.run import run_sweep
from tests.analysis.conftest import Database
from tests.sweeps.sweeps_for_tests import small_config


@pytest.mark.slow
def test_weights_are_fetched_from_the_sweeps_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    config = small_config(
        tmp_path,
        checkpoints=f"file://{store}",
        search={"sampler": "random", "trials": 1, "keep_weights": "all"},
    )
    run_sweep(config)
    shutil.rmtree(tmp_path / "cache")  # as on a laptop that did not train
    choice = choose(["tiny#0"], scale=None, weights=None, db=config.storage)
    assert choice.weights is not None
    assert choice.weights.is_file()
    assert choice.weights.is_relative_to(tmp_path / "cache")
    choice.network()

    # Where the store holds it no longer, a person is told what to do.
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(store)
    with pytest.raises(ValueError, match="its checkpoint is not here"):
        choose(["tiny#0"], scale=None, weights=None, db=config.storage).network()


def test_the_sweeps_own_latency_is_not_replaced(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep_id = database.sweep("timed", latency="latency_ms torch float32 8x8 1 threads on box")
    trial_id = database.trial(sweep_id, 0, 27.0, 1e4, 1e9)
    trial = TrialReference(
        url=database.url, sweep="timed", number=0, id=trial_id, attempts=1, step=1_000
    )
    names = [f"latency_ms torch float32 8x8 {threads} threads" for threads in (1, 2)]
    for value in (5.0, 4.0):
        assert remember(trial, [(name, "box", value) for name in names])
    stored = load_trials(database.url).iloc[0]
    assert stored[f"{names[1]} on box"] == 4.0
    assert f"{names[0]} on box" not in stored
    assert "the sweep's own measurement stays" in capsys.readouterr().err
