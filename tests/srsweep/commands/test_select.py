"""What `srsweep select` chooses, and how it answers a mistake."""

import json
from pathlib import Path

import pytest

from tests.srsweep.calls import invoke, mistake, succeed
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file


def test_unknown_cost_of_a_selection(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    invoke("run", file, "--trials", 1)
    assert "no cost called 'parms'; did you mean params" in mistake(
        "select", file, "--max", "parms=3"
    )
    for words, fault in (
        (("--tiers", "1k,-5k"), "--tiers: must be above 0, got -5k"),
        (("--min-psnr", "nan"), "--min-psnr: must be a number of dB, got nan"),
        (("--max", "params"), "--max: must read COST=LIMIT"),
        (("--max", "latency=30ms"), "no such latency was measured"),
        (("--max-params", "0"), "--max-params: must be above 0, got 0"),
        (("--weights", "2"), "--weights: must read NAME=WEIGHT"),
    ):
        assert fault in mistake("select", file, *words)


def test_trials_trained_otherwise_are_not_selected_from_together(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'results.db'}"
    for name, rate in (("slow", 1e-4), ("fast", 1e-3)):
        file = sweep_file(
            tmp_path,
            name=name,
            storage=storage,
            train=SMALL["train"] | {"learning_rate": rate},
            search={"trials": 1},
        )
        assert invoke("run", file).exit_code == 0
    message = mistake("select", "slow", "fast", "--db", storage)
    assert "train.learning_rate differs (" in message


def test_the_same_networks_under_another_name_and_seed_give_the_spread(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'results.db'}"
    for seed, name in enumerate(("first", "first-seed1")):
        file = sweep_file(
            tmp_path,
            name=name,
            seed=seed,
            storage=storage,
            families={"slwsr": {"n_feats": [2, 3], "n_blocks": 2, "local_blocks": 2}},
            search={"sampler": "grid", "trials": 2},
        )
        assert invoke("run", file).exit_code == 0
    words = ("select", "first", "first-seed1", "--db", storage)
    (row,) = json.loads(invoke(*words, "--json").stdout)
    assert row["num_seeds"] == 2
    assert row["spread"] > 0
    alone = json.loads(invoke("select", "first", "--db", storage, "--json").stdout)
    assert (alone[0]["num_seeds"], alone[0]["spread"]) == (1, None)
    assert "The seeds' spread is " in invoke(*words).stdout
    assert "the seeds' spread is unknown" in invoke("select", "first", "--db", storage).stdout


@pytest.mark.parametrize(
    "words",
    [
        ["--knee"],
        ["--tiers", "50k"],
        ["--max-params", "50k"],
        ["--weights", "psnr_y=1,params=2"],
        ["--quality", "psnr_y_int8"],
    ],
)
def test_of_nothing_nothing_is_chosen(fruitless: Database, words: list[str]) -> None:
    said = succeed("select", "small", "--db", fruitless.url, *words).stdout
    assert "There is no complete trial to choose from." in said
