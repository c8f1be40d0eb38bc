"""Checkpoints in an object store, here fsspec's view of a folder: another machine goes on from them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.checkpoints.object_store import Mirror, check_store
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.run import run_sweep
from sweeps.store.store import Store
from sweeps.train.segment import Segment, run
from tests.sweeps.sweeps_for_tests import small_config


def segment_of(folder: Path, store: Path) -> Segment:
    config = small_config(folder, checkpoints=f"file://{store}")
    sweep = Sweep(config, Store(config.storage), holder="test")
    segment = sweep.next_segment()
    sweep.close()
    assert segment is not None
    return segment


def measured(segment: Segment) -> list[Measurement]:
    records = list(run(segment))
    assert isinstance(records[-1], Outcome)
    assert not records[-1].error, records[-1].error
    return [m for r in records if isinstance(r, Evaluation) for m in r.measurements]


def test_another_machine_goes_on_from_the_store(tmp_path: Path) -> None:
    store = tmp_path / "store"
    segment = segment_of(tmp_path, store)
    assert tmp_path / "cache" in segment.folder.parents
    half = measured(replace(segment, until_step=2))
    assert (store / "tiny" / "0" / "attempt-1.pt").is_file()
    shutil.rmtree(segment.folder)  # the machine is gone
    whole = measured(replace(segment, attempt=2))
    # Word for word, seconds included: the first half was not trained again.
    assert whole[: len(half)] == half
    assert {m.step for m in whole} == {2, 4}
    assert [path.name for path in (store / "tiny" / "0").iterdir()] == ["attempt-2.pt"]


def test_a_sweep_leaves_the_weights_of_its_front_in_the_store(tmp_path: Path) -> None:
    config = small_config(tmp_path, checkpoints=f"file://{tmp_path / 'store'}")
    sweep = run_sweep(config)
    kept = {int(path.name) for path in (tmp_path / "store" / "tiny").iterdir()}
    assert kept == set(sweep.trials) - sweep.freed
    assert kept


def test_forgetting_twice_is_no_fault(tmp_path: Path) -> None:
    mirror = Mirror(url=f"file://{tmp_path / 'store'}")
    mirror.forget()
    mirror.forget(["attempt-1.pt"])
    mirror.push(tmp_path / "missing.pt")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("url", ["nosuch://bucket/x", "s3://bucket/x"])
def test_a_store_that_cannot_be_reached_is_told_before_anything_runs(url: str) -> None:
    if url.startswith("s3"):
        try:
            import s3fs  # type: ignore[import-not-found]  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("s3fs is installed here")
    with pytest.raises(ValueError, match=r"^checkpoints: [^\n]*(pip install s3fs|name a folder)"):
        check_store(url)
