"""Tests whole sweeps: what they store, how they resume after a kill, and that all drivers give the same rows."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from searchspace.errors import UserError
from sweeps.engine.outcomes import SweepFailed
from sweeps.run import prepare, run_sweep
from sweeps.search.pareto.architectures import Architectures
from sweeps.search.pareto.sampler import Pareto
from sweeps.store.store import Store, StoreError, SweepTaken
from tests.sweeps.sweeps_for_tests import SMALL, small_config, sweep_file


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the rows that two runs of a sweep must share: everything except times and hosts."""
    with sqlite3.connect(folder / "results.db") as connection:
        return {
            "trials": connection.execute(
                "select number, architecture, family, label, seed, state from trials order by number"
            ).fetchall(),
            "knobs": connection.execute("select * from trial_knobs order by 1, 2").fetchall(),
            "measurements": connection.execute(
                "select * from measurements where name != 'seconds' order by 1, 2, 3, 4"
            ).fetchall(),
        }


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


def test_every_trial_is_stored_with_its_costs_scores_and_provenance(tmp_path: Path) -> None:
    sweep = run_sweep(small_config(tmp_path))
    stored = Store(small_config(tmp_path).storage)
    trials = stored.trials(sweep.id)
    assert [trial.state for trial in trials] == ["complete"] * 4
    assert len({trial.architecture for trial in trials}) == 4
    for trial in trials:
        named = {(m.name, m.step) for m in trial.measurements}
        assert {("psnr_y", 2), ("psnr_y", 4), ("loss", 4), ("params", 0), ("multadds", 0)} <= named
    facts = stored.facts(sweep.id)
    assert float(facts["validation_bicubic_psnr_y"]) > 25
    with sqlite3.connect(tmp_path / "results.db") as connection:
        ((text, versions),) = connection.execute("select text, versions from lives").fetchall()
    assert "n_feats" in text
    assert "torch" in versions


@pytest.mark.parametrize("block", ["train", "recipe"])
def test_a_missing_teacher_is_named_in_the_block_that_has_it(tmp_path: Path, block: str) -> None:
    teacher = {"teacher": str(tmp_path / "none.pt")}
    changes = {"train": SMALL["train"] | {"distill": teacher}, "recipe": {"distill": [teacher]}}
    config = small_config(tmp_path, **{block: changes[block]})
    with pytest.raises(UserError, match=rf"^{block}\.distill\.teacher\.weights: .*no such file"):
        prepare(config)


def test_the_space_is_tabulated_once(tmp_path: Path) -> None:
    knobs: dict[str, object] = {name: {"low": 3, "high": 20} for name in ("n_feats", "n_blocks")}
    knobs |= {"local_blocks": [1, 2], "pool_layers": ["none", "default"]}
    search = {"sampler": "pareto", "trials": 1}
    sweep = run_sweep(small_config(tmp_path, families={"slwsr": knobs}, search=search))
    assert isinstance(sweep.suggester.sampler, Pareto)
    assert sweep.table is not None
    candidates = sweep.suggester.sampler.search.candidates
    assert isinstance(candidates, Architectures)
    assert candidates.table is sweep.table


def test_running_again_tops_up_and_repeats_nothing(tmp_path: Path) -> None:
    run_sweep(small_config(tmp_path, search={"sampler": "random", "trials": 2}))
    before = rows(tmp_path)
    run_sweep(small_config(tmp_path))
    after = rows(tmp_path)
    assert after["trials"][:2] == before["trials"]
    assert len(after["trials"]) == 4
    with sqlite3.connect(tmp_path / "results.db") as connection:
        assert connection.execute("select count(*) from attempts").fetchone() == (4,)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "grid"])
def test_a_sweep_in_two_lives_equals_one_in_one(tmp_path: Path, sampler: str) -> None:
    whole, parts = folder(tmp_path, "whole"), folder(tmp_path, "parts")
    run_sweep(small_config(whole, search={"sampler": sampler, "trials": 4}))
    for trials in (1, 3, 4):
        run_sweep(small_config(parts, search={"sampler": sampler, "trials": trials}))
    assert rows(whole) == rows(parts)


@pytest.mark.slow
def test_worker_processes_give_the_rows_of_one_process(tmp_path: Path) -> None:
    alone, workers = folder(tmp_path, "alone"), folder(tmp_path, "workers")
    run_sweep(small_config(alone))
    run_sweep(small_config(workers, resources={"concurrent": 2}))
    assert rows(alone) == rows(workers)


HALVED: dict[str, Any] = {
    "search": {"sampler": "grid", "trials": 4, "halving": {"min_steps": 1, "factor": 2}},
    "train": {**SMALL["train"], "steps": 4, "schedule": "cosine_restarts"},
}
"""Runs one trial at a time, because the trials that reach a rung decide which of them continue."""
REPEATED: dict[str, Any] = {"seeds": 2, "search": {"sampler": "random", "trials": 2}}
"""Two networks with two seeds each: four trials, as many as without `seeds`."""


RAY = """
import sys
from pathlib import Path

import ray
from sweeps.config.sweep_config import read_config
from sweeps.run import prepare, run_sweep

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
for file in sys.argv[1:]:
    run_sweep(read_config(Path(file)), driver="ray")
ray.shutdown()
"""


@pytest.mark.slow
def test_ray_tune_gives_the_rows_of_the_local_driver_halved_and_with_seeds(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray")
    folders, files = [], []
    for name, changes in (("halved", HALVED), ("repeated", REPEATED)):
        local, cluster = folder(tmp_path, f"{name}-local"), folder(tmp_path, f"{name}-cluster")
        run_sweep(small_config(local, **changes))
        folders.append((local, cluster))
        files.append(str(sweep_file(cluster, **changes)))
    # In its own process, because Ray leaves threads and warnings behind.
    command = [sys.executable, "-c", RAY, *files]
    subprocess.run(command, check=True, timeout=300, env=_environment())
    states = []
    for local, cluster in folders:
        assert rows(local) == rows(cluster)
        states.append({row[5] for row in rows(local)["trials"]})
    assert states == [{"complete", "stopped"}, {"complete"}]


def _environment() -> dict[str, str]:
    return {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


# The tests of engine/test_seeds.py kill a driver within this process, before and after each result.
@pytest.mark.slow
def test_a_driver_killed_in_mid_sweep_loses_nothing(tmp_path: Path) -> None:
    killed, undisturbed = folder(tmp_path, "killed"), folder(tmp_path, "undisturbed")
    train = {
        "steps": 60,
        "patch_size": 8,
        "batch_size": 2,
        "evaluate_every": 20,
        "precision": "float32",
    }
    file = sweep_file(killed, train=train)
    command = [sys.executable, "-m", "srsweep", "run", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _wait_for(lambda: _count(killed, "measurements where name = 'psnr_y'") >= 4, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert _count(killed, "trials where state = 'complete'") < 4
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    run_sweep(small_config(undisturbed, train=train))
    assert rows(killed) == rows(undisturbed)


def _wait_for(condition: Any, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the driver ended before it could be killed"
        assert time.monotonic() < give_up
        time.sleep(0.05)


def _count(where: Path, what: str) -> int:
    if not (where / "results.db").exists():
        return 0
    with sqlite3.connect(where / "results.db") as connection:
        try:
            return int(connection.execute(f"select count(*) from {what}").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the tables are being made


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    store = Store(config.storage)
    store.acquire_lease(store.open_sweep(config.name, config.scale, config.comparable), "host-a")
    with pytest.raises(SweepTaken, match="being driven by host-a"):
        run_sweep(config)


def test_other_settings_under_the_same_name_are_refused(tmp_path: Path) -> None:
    run_sweep(small_config(tmp_path, search={"sampler": "random", "trials": 1}))
    changed = {
        "steps": 6,
        "patch_size": 8,
        "batch_size": 2,
        "evaluate_every": 2,
        "precision": "float32",
    }
    with pytest.raises(StoreError, match=r"train\.steps: 4 -> 6.*choose another name"):
        run_sweep(small_config(tmp_path, train=changed))


def test_changed_images_under_the_same_name_are_refused(tmp_path: Path) -> None:
    config = small_config(tmp_path, search={"sampler": "random", "trials": 1})
    sweep = run_sweep(config)
    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("update sweep_facts set value = 'other' where name = 'data_fingerprint'")
    with pytest.raises(
        UserError, match=r"must stay the same.*fingerprint other, now .*another name"
    ):
        run_sweep(config)
    assert len(sweep.trials) == 1


def test_a_space_smaller_than_the_trials_ends_the_sweep(tmp_path: Path) -> None:
    sweep = run_sweep(
        small_config(tmp_path, families={"slwsr": {"n_feats": [2, 3], "n_blocks": 5}})
    )
    assert len(sweep.trials) == 2
    assert sweep.exhausted


def test_a_trial_that_fails_is_a_row_with_its_reason(tmp_path: Path) -> None:
    # No network survives this learning rate: every trial fails, and the sweep says so and stops.
    train = {
        "steps": 40,
        "patch_size": 8,
        "batch_size": 2,
        "learning_rate": 1e6,
        "evaluate_every": 20,
    }
    with pytest.raises(SweepFailed, match="5 of 5 trials have failed"):
        run_sweep(
            small_config(
                tmp_path, train=train, search={"sampler": "grid", "trials": 8, "max_attempts": 1}
            )
        )
    with sqlite3.connect(tmp_path / "results.db") as connection:
        errors = connection.execute("select distinct error from attempts").fetchall()
        states = connection.execute("select distinct state from trials").fetchall()
    assert states == [("failed",)]
    assert all("loss" in error and "learning_rate" in error for (error,) in errors)


def test_no_over_budget_architecture_is_trained(tmp_path: Path) -> None:
    sweep = run_sweep(small_config(tmp_path, budget={"params": 1500}))
    store = Store(small_config(tmp_path).storage)
    for trial in store.trials(sweep.id):
        (params,) = (m.value for m in trial.measurements if m.name == "params")
        assert params <= 1500


def test_a_checkpoint_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    # The name and the checkpoint folder stay; the database and the learning rate change.
    one = {"sampler": "grid", "trials": 1}
    train = {
        "steps": 4,
        "patch_size": 8,
        "batch_size": 2,
        "evaluate_every": 2,
        "precision": "float32",
    }
    run_sweep(small_config(tmp_path, search=one, train=train))
    before = rows(tmp_path)["measurements"]
    (tmp_path / "results.db").unlink()
    run_sweep(small_config(tmp_path, search=one, train={**train, "learning_rate": 0.05}))
    assert rows(tmp_path)["measurements"] != before
