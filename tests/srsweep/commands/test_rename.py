"""`srsweep rename` renames a sweep with its checkpoints, or leaves both as they are."""

from pathlib import Path

import pytest
import yaml

from analysis.read.frames import load_sweeps, load_trials
from srsweep.choice import stored_config
from sweeps.config.sweep_config import read_config
from sweeps.run import run_sweep
from sweeps.store.lease import acquire
from tests.srsweep.calls import mistake, succeed
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file


def test_a_renamed_sweep_goes_on_where_it_was_under_its_new_name(tmp_path: Path) -> None:
    search = {"sampler": "random", "trials": 2, "keep_weights": "all"}
    file = sweep_file(tmp_path, search=search)
    first = run_sweep(read_config(file).model_copy(update={"name": "tiny"}))
    url = first.store.name
    before = load_trials(url)
    told = succeed("rename", "tiny", "other", "--db", url).stdout
    assert told.startswith(f"sweep tiny is now other in {url}")
    assert "write `name: other` in its sweep file" in told
    assert not (tmp_path / "runs" / "tiny").exists()
    assert list((tmp_path / "runs" / "other").glob("*/attempt-1.pt"))
    assert stored_config(url, "other").name == "other"
    succeed("resume", "other", "--db", url)  # all trials are there already
    text = yaml.safe_load(file.read_text())
    text["metadata"]["sweep"] |= {"name": "other", "search": search | {"trials": 3}}
    file.write_text(yaml.safe_dump(text))
    assert "3 of 3 trials complete" in succeed("run", file).stdout
    after = load_trials(url)
    assert after["sweep"].unique().tolist() == ["other"]
    assert after["architecture"].tolist()[:2] == before["architecture"].tolist()
    assert after["attempts"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("a b", "NEW: must begin with a letter or a digit"),
        ("x.yaml", "NEW: must not end in .yaml"),
        ("small", "there is already one called 'small'"),
        ("taken", "there is already one called 'taken'"),
    ],
)
def test_a_name_that_cannot_be_is_refused(small: Database, new: str, told: str) -> None:
    small.sweep("taken")
    if new == "small":
        small.sweep("mine")
    name = "mine" if new == "small" else "small"
    assert told in mistake("rename", name, new, "--db", small.url)
    assert name in load_sweeps(small.url)["name"].tolist()


def test_where_the_folder_is_taken_nothing_is_renamed(tmp_path: Path) -> None:
    search = {"sampler": "random", "trials": 1, "keep_weights": "all"}
    url = run_sweep(read_config(sweep_file(tmp_path, search=search))).store.name
    (tmp_path / "runs" / "other").mkdir()
    told = mistake("rename", "tiny", "other", "--db", url)
    assert f"checkpoints: {tmp_path / 'runs' / 'other'} exists already" in told
    assert load_sweeps(url)["name"].tolist() == ["tiny"]
    assert (tmp_path / "runs" / "tiny").is_dir()
    (tmp_path / "runs" / "other").rmdir()
    succeed("rename", "tiny", "other", "--db", url)  # the lease was given back


def test_a_sweep_that_a_driver_runs_keeps_its_name(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sweep_id,) = load_sweeps(small.url)["sweep_id"]
    monkeypatch.setattr("sweeps.store.lease.this_machine", lambda: "0" * 12)
    acquire(small.store.database, int(sweep_id), "elsewhere (process 7)", 60.0)
    monkeypatch.undo()
    result = succeed("rename", "small", "other", "--db", small.url, code=1)
    assert "this sweep is being driven by elsewhere (process 7)" in result.stderr
    assert load_sweeps(small.url)["name"].tolist() == ["small"]
