"""The comparison of designs seed by seed, and what the papers' claims are compared with."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import t as student

from analysis.published.claims import POWER, detectable, interval, load_claims, power, seeds_for
from analysis.published.paper_claims import CLAIMS, Claim
from searchspace.errors import UserError
from srsweep.cli import main
from sweeps.config.sweep_config import read_config
from tests.stored import Database

CONFIGS = Path(__file__).parents[3] / "configs" / "claims"
RECORDED = f"sqlite:///{CONFIGS / 'recorded.db'}"
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
    assert detectable(found.deviation, found.number) == pytest.approx(0.163, abs=5e-4)
    assert seeds_for(0.05, found.deviation) == 10


def test_the_power_is_that_of_simulated_trainings() -> None:
    drawn = np.random.default_rng(0).normal(0.05, 0.05, (20_000, 10))
    quantile = student.ppf(0.975, 9)
    statistic = drawn.mean(1) / (drawn.std(1, ddof=1) / math.sqrt(10))
    assert power(0.05, 0.05, 10) == pytest.approx((statistic > quantile).mean(), abs=0.01)
    assert power(0.05, 0.05, 9) < POWER <= power(0.05, 0.05, 10)


def test_a_negative_interval_refutes_and_a_wide_one_tells_nothing() -> None:
    assert interval([-0.20, -0.10, -0.15]).verdict == "does not hold"
    assert interval([0.3, -0.2, 0.1]).verdict == "undecided"


def test_one_seed_and_equal_designs_tell_nothing() -> None:
    single = interval([0.5])
    assert single.verdict == "undecided"
    assert seeds_for(single.mean, single.deviation) is None
    assert math.isnan(detectable(single.deviation, 1))
    equal = interval([0.1, -0.1])
    assert seeds_for(equal.mean, equal.deviation) is None


def test_one_of_many_comparisons_needs_a_wider_interval_to_refute() -> None:
    found = interval([-0.20, -0.10, -0.15])
    assert found.refutes(1)
    assert not found.refutes(7)


def test_designs_are_compared_seed_by_seed(pools: Database) -> None:
    first, second = load_claims(pools.url, [POOL]).to_dict("records")
    assert (first["design"], first["against"], first["seeds"]) == ("pool", "no pool", 3)
    assert first["difference_db"] == pytest.approx(0.15)
    assert first["verdict"] == "holds"
    assert (second["against"], second["seeds"], second["verdict"]) == (
        "former 11 layers",
        0,
        "no rows yet",
    )
    assert first["claim_verdict"] == second["claim_verdict"] == "undecided"
    assert (first["printed_db"], first["note"]) == (0.0, "")


def test_a_design_below_bicubic_refutes_and_confirms_nothing(database: Database) -> None:
    for seed in range(3):
        sweep = database.sweep(f"claim-pool-seed{seed}")
        for number, network in enumerate(POOL.networks().values()):
            psnr = (27.0, 20.0 + 0.01 * seed, 19.0)[number]
            database.trial(sweep, number, psnr, 100, 10, network=network, seed=seed)
    rows = load_claims(database.url, [POOL])
    assert (rows["low_db"] > 6).all()
    assert set(rows["verdict"]) == {"undecided"}
    assert set(rows["note"]) == {"below bicubic"}
    assert set(rows["claim_verdict"]) == {"undecided"}


def test_a_claim_reads_the_trainings_that_another_claim_made() -> None:
    claim = next(each for each in CLAIMS if each.name == "channelwise")
    assert claim.owns("claim-attention-seed2")
    assert not claim.owns("claim-channelwise-seed2")
    rows = load_claims(RECORDED, [claim])
    assert list(rows["seeds"]) == [3]


def test_a_seed_that_only_one_design_has_does_not_count(pools: Database) -> None:
    sweep = pools.sweep("claim-pool-seed3")
    pools.trial(sweep, 0, 30.0, 100, 10, network=POOL.networks()["pool"], seed=3)
    assert load_claims(pools.url, [POOL]).iloc[0]["seeds"] == 3


def test_trainings_on_other_images_are_not_compared(pools: Database) -> None:
    sweep = pools.sweep("claim-pool-seed4", data_fingerprint="f2")
    pools.trial(sweep, 0, 30.0, 100, 10, network=POOL.networks()["pool"], seed=4)
    with pytest.raises(UserError, match="claim pool: all training runs must have the same"):
        load_claims(pools.url, [POOL])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_the_sweep_files_of_a_claim_train_exactly_its_designs(claim: Claim) -> None:
    files = sorted(CONFIGS.glob(f"claim-{claim.trainings}-seed[0-9].yaml"))
    assert len(files) == 3
    for seed, file in enumerate(files):
        config = read_config(file)
        assert claim.owns(config.name)
        assert config.seed == seed
    if claim.trained_by:
        return  # that claim's files are tested, and have these designs
    # The files of other seeds differ by the seed alone (tests/test_configs.py).
    config = read_config(files[0])
    feasible = {
        candidate.key
        for candidate in config.space.architectures
        if all(limit.holds(candidate, config.scale) for limit in config.limits)
    }
    assert feasible == {network.key for network in claim.networks().values()}
    assert len(feasible) == config.search.trials


def test_claims_that_share_trainings_are_about_designs_of_these() -> None:
    by_name = {claim.name: claim for claim in CLAIMS}
    for claim in (each for each in CLAIMS if each.trained_by):
        own = {network.key for network in claim.networks().values()}
        assert own <= {network.key for network in by_name[claim.trained_by].networks().values()}


def test_the_command_names_known_claims(pools: Database) -> None:
    run = CliRunner().invoke(main, ["claims", "pool", "--db", pools.url, "--json"])
    assert [row["verdict"] for row in json.loads(run.stdout)] == ["holds", "no rows yet"]
    wrong = CliRunner().invoke(main, ["claims", "pond", "--db", pools.url])
    assert wrong.exit_code == 2
    assert "CLAIM: must be one of pool, compression" in wrong.output
