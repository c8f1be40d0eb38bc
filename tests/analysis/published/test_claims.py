"""The comparison of designs seed by seed, and what the papers' claims are compared with."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.published.claims import interval, load_claims
from analysis.published.paper_claims import CLAIMS, Claim
from searchspace.errors import UserError
from srsweep.cli import main
from sweeps.config.sweep_config import read_config
from tests.stored import Database

CONFIGS = Path(__file__).parents[3] / "configs" / "claims"
POOL = next(claim for claim in CLAIMS if claim.name == "pool")
PSNR = {"pool": (27.30, 27.10, 27.20), "no pool": (27.10, 27.00, 27.05)}


@pytest.fixture
def pools(database: Database) -> Database:
    """Three sweeps of the claim about the pool, one per seed. A fourth sweep only looks like one of them."""
    for seed in range(3):
        sweep = database.sweep(f"claim-pool-seed{seed}")
        for number, (name, scores) in enumerate(PSNR.items()):
            network = POOL.networks()[name]
            database.trial(sweep, number, scores[seed], 100, 10, network=network, seed=seed)
    other = database.sweep("claim-pool-seedling")
    database.trial(other, 0, 99.0, 100, 10, network=POOL.networks()["pool"], seed=0)
    return database


def test_the_interval_is_that_of_the_worked_example() -> None:
    found = interval([0.20, 0.10, 0.15])
    assert (found.mean, found.verdict) == (pytest.approx(0.15), "holds")
    assert found.low == pytest.approx(0.15 - 4.303 * 0.05 / math.sqrt(3), abs=1e-4)
    assert found.high == pytest.approx(0.274, abs=1e-3)
    # 12.7 * 0.05 / sqrt(2) = 0.449 is above 0.15, so two seeds would not tell; three do.
    assert found.seeds_needed == 3


def test_a_negative_interval_refutes_and_a_wide_one_tells_nothing() -> None:
    assert interval([-0.20, -0.10, -0.15]).verdict == "does not hold"
    wide = interval([0.3, -0.2, 0.1])
    assert wide.verdict == "cannot be told"
    assert wide.seeds_needed is not None
    assert wide.seeds_needed > 3


def test_one_seed_and_equal_designs_tell_nothing() -> None:
    assert interval([0.5]).verdict == "cannot be told"
    assert interval([0.1, -0.1]).seeds_needed is None


def test_designs_are_compared_seed_by_seed(pools: Database) -> None:
    first, second = load_claims(pools.url, [POOL]).to_dict("records")
    assert (first["design"], first["against"], first["seeds"]) == ("pool", "no pool", 3)
    assert first["difference_db"] == pytest.approx(0.15)
    assert first["verdict"] == "holds"
    assert (second["against"], second["seeds"], second["verdict"]) == (
        "former 11 layers",
        0,
        "not trained",
    )


def test_a_seed_that_only_one_design_has_does_not_count(pools: Database) -> None:
    sweep = pools.sweep("claim-pool-seed3")
    pools.trial(sweep, 0, 30.0, 100, 10, network=POOL.networks()["pool"], seed=3)
    assert load_claims(pools.url, [POOL]).iloc[0]["seeds"] == 3


def test_trainings_on_other_images_are_not_compared(pools: Database) -> None:
    sweep = pools.sweep("claim-pool-seed4", data_fingerprint="f2")
    pools.trial(sweep, 0, 30.0, 100, 10, network=POOL.networks()["pool"], seed=4)
    with pytest.raises(UserError, match="claim pool: all trainings must have the same"):
        load_claims(pools.url, [POOL])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_the_sweep_files_of_a_claim_train_exactly_its_designs(claim: Claim) -> None:
    files = sorted(CONFIGS.glob(f"claim-{claim.name}-seed*.yaml"))
    assert len(files) == 3
    for seed, file in enumerate(files):
        config = read_config(file)
        assert claim.owns(config.name)
        assert config.seed == seed
        feasible = {
            candidate.key
            for candidate in config.space.architectures
            if all(limit.holds(candidate, config.scale) for limit in config.limits)
        }
        wanted = {network.key for network in claim.networks().values()}
        assert wanted <= feasible
        assert len(feasible) == config.search.trials


def test_the_command_names_known_claims(pools: Database) -> None:
    run = CliRunner().invoke(main, ["claims", "pool", "--db", pools.url, "--json"])
    assert [row["verdict"] for row in json.loads(run.stdout)] == ["holds", "not trained"]
    wrong = CliRunner().invoke(main, ["claims", "pond", "--db", pools.url])
    assert wrong.exit_code == 2
    assert "CLAIM: must be one of pool, activation" in wrong.output
