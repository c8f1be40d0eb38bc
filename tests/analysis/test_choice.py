"""Finding a trial's weights, also where its sweep keeps them in an object store."""

import shutil
from pathlib import Path

import pytest

from srsweep.choice import choose
from sweeps.run import run_sweep
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
