"""What `srsweep check` shows of a sweep file."""

import json
from pathlib import Path

import pytest

from sweeps.config.sweep_config import read_config
from sweeps.measure.load import Load, Meter
from sweeps.store.store import Store
from tests.srsweep.calls import invoke, mistake
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file

pytestmark = pytest.mark.usefixtures("still_machine")


def test_nothing_feasible(tmp_path: Path) -> None:
    message = mistake("check", sweep_file(tmp_path, budget={"params": 5}))
    assert "no architecture of the space meets params <= 5" in message


def test_check_as_csv(tmp_path: Path) -> None:
    result = invoke("check", sweep_file(tmp_path), "--csv")
    header, values = result.output.strip().splitlines()
    assert header.startswith("sweep,")
    assert "slwsr" in values


def test_check_expects_no_time_of_a_machine_that_others_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time that was measured while other programs computed is meaningless."""
    busy = Load(others=1.26, cores=2, seconds=1.0)
    tries = []
    monkeypatch.setattr(Meter, "load", lambda meter: tries.append(1) or busy)
    monkeypatch.setattr("srsweep.commands.check.TIMING_SECONDS", 1e9)
    told = json.loads(invoke("check", sweep_file(tmp_path), "--json").output)["expected time"]
    assert told.startswith(
        "unknown: other processes used 1.3 of 2 cores while training steps were timed"
    )
    assert len(tries) == 3


@pytest.mark.slow
def test_check_of_a_space_in_which_few_are_feasible(tmp_path: Path) -> None:
    families = {
        "slwsr": {
            "n_feats": {"low": 4, "high": 24},
            "n_blocks": {"low": 5, "high": 60},
            "compression": ["none", "head", "tail", "alternate", "all"],
            "activation_ratio": ["rare", "1/3", "1/2", "2/3", "all"],
        }
    }
    least = json.loads(
        invoke(
            "cost", "slwsr", "n_feats=4", "n_blocks=5", "compression=all", "--scale", 2, "--json"
        ).output
    )["params"]
    file = sweep_file(tmp_path, families=families, budget={"params": least})
    result = invoke("check", file, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["feasible"] == "0.0%"


def test_check_advises_against_what_serves_badly(tmp_path: Path) -> None:
    families = {"srcnn": None, "fsrcnn": {"n_feats": [8, 16]}}
    train = SMALL["train"] | {"schedule": "cosine"}
    search = {"sampler": "nsga2", "trials": 2, "halving": {"min_steps": 2, "factor": 2}}
    file = sweep_file(tmp_path, families=families, train=train, search=search)
    advice = json.loads(invoke("check", file, "--json").output)["advice"]
    assert advice.startswith("halving: with schedule cosine,")
    assert "sampler nsga2: it crosses only knobs that all trials share" in advice
    restarting = train | {"schedule": "cosine_restarts"}
    file = sweep_file(tmp_path, train=restarting, search=search)
    assert json.loads(invoke("check", file, "--json").output)["advice"] == "none"
    file = sweep_file(tmp_path, train=restarting, search=search | {"sampler": "pareto"})
    assert (
        "pareto suggests few networks that are worth stopping early" in invoke("check", file).output
    )
    file = sweep_file(tmp_path, train=restarting | {"restarts": [1]}, search=search)
    assert (
        "with schedule cosine_restarts, the learning rate is still high"
        in invoke("check", file).output
    )
    assert json.loads(invoke("check", sweep_file(tmp_path), "--json").output)["advice"] == "none"


def test_check_refuses_what_run_refuses_because_of_the_database(tmp_path: Path) -> None:
    """Once, `check` accepted a sweep that `run` refuses, because the database holds it with other settings."""
    (tmp_path / "results.db").touch()  # SQLite takes an empty file for a new database
    file = sweep_file(tmp_path)
    assert invoke("check", file).exit_code == 0
    config = read_config(file)
    store = Store(config.storage)
    sweep_id = store.open_sweep(config.name, config.scale, config.comparable)
    assert invoke("check", file).exit_code == 0
    file = sweep_file(tmp_path, train=SMALL["train"] | {"steps": 8})
    said = mistake("check", file)
    assert "metadata.sweep.name: sweep 'tiny' is stored in sqlite:///" in said
    assert "(train.steps: 4 -> 8)" in said
    assert mistake("run", file) == said
    assert invoke("check", sweep_file(tmp_path, name="other", seed=8)).exit_code == 0
    store.set_fact(sweep_id, "data_fingerprint", "0123456789abcdef")
    said = mistake("check", sweep_file(tmp_path))
    assert "data: the images of sweep 'tiny' must stay the same; they have changed" in said
    assert mistake("run", sweep_file(tmp_path)) == said


def test_a_teacher_that_is_on_another_machine_is_lacking_and_no_mistake(tmp_path: Path) -> None:
    train = SMALL["train"] | {"distill": {"teacher": str(tmp_path / "none.pt")}}
    result = invoke("check", sweep_file(tmp_path, train=train))
    assert result.exit_code == 0, result.output
    assert "none.pt" in result.output.partition("lacking here")[2]
    assert "expected time          unknown: " in result.output
