import math

import numpy as np
import pandas as pd
import pytest

from analysis.choose.select import (
    Selection,
    at_knee,
    below_bicubic,
    best_within,
    note_on_spread,
    row_of,
    selection_table,
    tiers,
    weighted,
)
from analysis.choose.variants import coarse_front, cost_name, cost_names, variants
from analysis.read.frames import load_cost_names, load_trials
from searchspace.architecture import architecture
from searchspace.errors import UserError
from sweeps.records import Measurement
from tests.stored import Database


@pytest.fixture
def frame(small: Database) -> pd.DataFrame:
    return variants(load_trials(small.url))


def taken(frame: pd.DataFrame, selection: Selection) -> int:
    assert selection.row is not None
    return int(row_of(frame, selection.row)["number"])


def test_variants_are_the_complete_trials_best_first(frame: pd.DataFrame) -> None:
    assert frame["number"].tolist() == [2, 1, 3, 0]
    assert frame["num_seeds"].tolist() == [1, 1, 1, 1]


def test_the_best_within_a_budget_is_taken_and_the_alternative_named(frame: pd.DataFrame) -> None:
    chosen = best_within(frame, {"params": 250_000})
    assert taken(frame, chosen) == 1
    assert chosen.sentence.startswith(
        "slwsr n_feats=2 (small#1, 27.00 dB) has the highest PSNR of the 3"
    )
    # Trial 3 is dominated by the one taken, so the alternative worth naming is trial 0.
    assert "(small#0): 1.00 dB less, 90 % fewer parameters, 80 % fewer Mult-Adds" in chosen.sentence


def test_budgets_hold_together_with_a_minimum(frame: pd.DataFrame) -> None:
    assert taken(frame, best_within(frame, {"params": 1e6, "multadds": 6e9}, 26.5)) == 1
    nothing = best_within(frame, {"params": 20_000}, 27.0)
    assert nothing.row is None
    assert nothing.sentence == (
        "None of the 4 variants has parameters <= 20K, PSNR >= 27.00 dB: the minimum for parameters is "
        "10K, the highest PSNR is 27.50 dB."
    )


def test_each_tier_gets_its_best(frame: pd.DataFrame) -> None:
    chosen = tiers(frame, "params", [600_000, 5_000, 50_000])
    assert [c.rule for c in chosen] == [f"parameters <= {n}" for n in ("5K", "50K", "600K")]
    assert [c.row is not None and taken(frame, c) for c in chosen] == [False, 0, 2]
    table = selection_table(frame, chosen)
    assert table["number"].isna().tolist() == [True, False, False]


def test_the_knee_and_the_weights_choose_from_the_front(frame: pd.DataFrame) -> None:
    assert taken(frame, at_knee(frame)) == 1
    assert taken(frame, weighted(frame, {"psnr_y": 100.0, "params": 1.0})) == 2
    assert taken(frame, weighted(frame, {"psnr_y": 1.0, "params": 100.0})) == 0


def test_an_unknown_cost_names_the_nearest(frame: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="no cost called 'parms'; did you mean params"):
        best_within(frame, {"parms": 1.0})


@pytest.fixture
def repeated(database: Database) -> pd.DataFrame:
    """Five architectures with two seeds each, in two sweeps; the spread is 0.1 dB everywhere."""
    ids = [database.sweep(name) for name in ("one", "two")]
    means = [(26.00, 10e3, 1e9), (27.00, 20e3, 3e9), (27.05, 40e3, 2e9), (27.60, 80e3, 8e9)]
    means.append((27.65, 90e3, 7e9))
    for number, (mean, params, multadds) in enumerate(means):
        network = architecture("slwsr", {"n_feats": number + 1})
        for seed, sweep_id in enumerate(ids):
            psnr = mean + (0.1 if seed else -0.1) / math.sqrt(2)
            database.trial(sweep_id, number, psnr, params, multadds, network=network, seed=seed)
    return variants(load_trials(database.url))


def test_seeds_are_averaged_and_their_spread_is_pooled(repeated: pd.DataFrame) -> None:
    assert repeated["psnr_y"].tolist() == pytest.approx([27.65, 27.6, 27.05, 27.0, 26.0])
    assert repeated["num_seeds"].tolist() == [2] * 5
    assert repeated["spread"].tolist() == pytest.approx([0.1] * 5)
    # The better seed's trial stands for the variant.
    assert repeated["reference"].tolist() == [f"two#{n}" for n in (4, 3, 2, 1, 0)]
    assert "spread is 0.10 dB" in note_on_spread(repeated)


def test_of_tied_variants_the_cheapest_is_taken(repeated: pd.DataFrame) -> None:
    chosen = best_within(repeated, {"params": 100e3})
    assert taken(repeated, chosen) == 3
    assert chosen.tied == ("two#4",)
    assert (
        "the cheapest of 2 that are tied with the highest PSNR (27.65 dB) of the 5 variants"
        in chosen.sentence
    )
    assert "It is tied with two#4." in chosen.sentence
    assert "the same PSNR within the seeds' spread of 0.10 dB, 12 % more" in chosen.sentence
    # By the cost that was limited: of the two, the other has fewer Mult-Adds.
    assert taken(repeated, best_within(repeated, {"multadds": 9e9})) == 4


def test_tiers_knee_and_weights_take_the_cheapest_of_the_tied(repeated: pd.DataFrame) -> None:
    assert [taken(repeated, c) for c in tiers(repeated, "params", [50e3, 100e3])] == [1, 3]
    assert coarse_front(repeated, "psnr_y", ["params"])["number"].tolist() == [3, 1, 0]
    knee = at_knee(repeated)
    assert taken(repeated, knee) == 1
    assert knee.tied == ("two#2",)
    assert "front of 3 variants that differ by more than the seeds' spread" in knee.sentence
    heavy = weighted(repeated, {"psnr_y": 100.0, "params": 1.0})
    assert (taken(repeated, heavy), heavy.tied) == (3, ("two#4",))


def test_a_tied_variant_that_is_cheaper_in_something_stays_on_the_front(
    repeated: pd.DataFrame,
) -> None:
    front = coarse_front(repeated, "psnr_y", ["params", "multadds"])
    assert front["number"].tolist() == [4, 3, 2, 1, 0]


def test_the_coarse_front_of_one_seed_is_the_front(frame: pd.DataFrame) -> None:
    assert coarse_front(frame, "psnr_y", ["params"])["number"].tolist() == [2, 1, 0]
    assert "spread is unknown" in note_on_spread(frame)
    assert frame["spread"].isna().all()
    assert best_within(frame, {}).tied == ()


def test_a_minimum_alone_asks_for_the_cheapest(frame: pd.DataFrame) -> None:
    chosen = best_within(frame, {}, 26.4)
    assert taken(frame, chosen) == 1
    assert "the fewest parameters of the 3 variants with PSNR >= 26.40 dB" in chosen.sentence


def test_the_table_of_choices_states_seeds_spread_and_ties(repeated: pd.DataFrame) -> None:
    row = selection_table(repeated, [best_within(repeated, {})]).iloc[0]
    assert (row["num_seeds"], row["tied"], row["sweep"]) == (2, "two#4", "two")
    assert row["spread"] == pytest.approx(0.1)


def measure(database: Database, number: int, name: str, dataset: str, value: float) -> None:
    trials = load_trials(database.url)
    trial_id = int(trials.loc[trials["number"] == number, "id"].iloc[0])
    rows = [Measurement(step=1_000, dataset=dataset, name=name, value=value)]
    assert database.store.record(trial_id, 1, rows)


def test_quality_after_int8_chooses_otherwise_and_counts_what_lacks_it(small: Database) -> None:
    for number, value in ((0, 25.9), (1, 26.9), (2, 26.2)):
        measure(small, number, "psnr_y_int8", "validation", value)
    frame = variants(load_trials(small.url), "psnr_y_int8")
    assert frame["number"].tolist() == [1, 2, 0, 3]
    chosen = best_within(frame, {}, quality="psnr_y_int8")
    assert taken(frame, chosen) == 1
    assert (
        "26.90 dB) has the highest PSNR after INT8 quantisation of the 3 variants"
        in chosen.sentence
    )
    assert chosen.sentence.endswith(
        " The choice leaves out 1 of 4 variants without PSNR-Y INT8 dB."
    )
    assert taken(frame, at_knee(frame, quality="psnr_y_int8")) == 1
    table = selection_table(frame, [chosen], "psnr_y_int8")
    assert table["psnr_y_int8"].tolist() == [26.9]


def test_a_quality_that_nothing_has_is_said(small: Database) -> None:
    frame = variants(load_trials(small.url), "psnr_y_int8")
    for chosen in (
        best_within(frame, {}, quality="psnr_y_int8"),
        at_knee(frame, quality="psnr_y_int8"),
        weighted(frame, {"psnr_y_int8": 1.0, "params": 1.0}, "psnr_y_int8"),
    ):
        assert chosen.row is None
        assert chosen.sentence.startswith(
            "No variant has all the measurements that this choice needs."
        )
        assert "4 of 4 variants without PSNR-Y INT8 dB" in chosen.sentence


def test_ssim_is_a_quality(small: Database) -> None:
    frame = variants(load_trials(small.url), "ssim_y")
    assert ", 0.6875) has the highest SSIM of" in best_within(frame, {}, quality="ssim_y").sentence


FAST = "latency_ms onnxruntime int8 320x180 1 threads"
SLOW = "latency_ms onnxruntime float32 320x180 1 threads"


def test_a_measured_latency_is_a_limit_below_a_millisecond_too(small: Database) -> None:
    for number, value in ((0, 0.2), (1, 0.4), (2, 0.9)):
        measure(small, number, FAST, "box", value)
    frame = variants(load_trials(small.url))
    chosen = best_within(frame, {"latency": 0.5})
    assert taken(frame, chosen) == 1
    assert "leaves out 1 of 4 variants without latency ms onnxruntime int8" in chosen.sentence
    # On the front of latency 26, 27 and 27.5 dB: 0.2 to 0.4 ms is worth it, and not all the same below 1.
    assert taken(frame, at_knee(frame, "latency")) == 1


def test_of_several_latencies_words_choose_one(small: Database) -> None:
    for name in (FAST, SLOW):
        measure(small, 0, name, "box", 5.0)
    known = cost_names(variants(load_trials(small.url)))
    assert sorted(known) == sorted(load_cost_names(small.url))
    assert cost_name(known, "latency int8") == f"{FAST} on box"
    with pytest.raises(UserError, match="must name one measured latency.*float32.*int8"):
        cost_name(known, "latency")
    with pytest.raises(UserError, match="no such latency was measured"):
        cost_name(["params"], "latency")


def test_a_cost_that_one_seed_has_holds_for_all(database: Database) -> None:
    ids = [database.sweep(name) for name in ("one", "two")]
    network = architecture("slwsr", {"n_feats": 8})
    for seed, (sweep_id, psnr) in enumerate(zip(ids, (26.0, 26.2), strict=True)):
        trial_id = database.trial(sweep_id, 0, psnr, 1e4, 1e9, network=network, seed=seed)
        if seed == 0:
            row = Measurement(step=1_000, dataset="box", name=FAST, value=3.0)
            assert database.store.record(trial_id, 1, [row])
    (latency,) = variants(load_trials(database.url))[f"{FAST} on box"]
    assert latency == 3.0


def test_trials_on_other_images_are_not_compared(small: Database) -> None:
    other = small.sweep("other", data_fingerprint="f2")
    small.trial(other, 0, 30.0, 10, 10)
    with pytest.raises(UserError, match="must be comparable, but data_fingerprint differs"):
        variants(load_trials(small.url))


def test_a_sweep_without_finished_trials_says_so(database: Database) -> None:
    sweep_id = database.sweep("young")
    database.trial(sweep_id, 0, 26.0, 10, 10, state="running")
    frame = variants(load_trials(database.url))
    for chosen in (at_knee(frame), best_within(frame, {"params": 5.0})):
        assert chosen.row is None
        assert "no complete trial" in chosen.sentence


@pytest.mark.parametrize("spread", [float("nan"), 0.05, 0.3])
def test_every_variant_off_the_coarse_front_is_undercut_by_one_on_it(spread: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        frame = pd.DataFrame(
            {
                "psnr_y": 27 + rng.random(30).round(1),
                "params": rng.integers(1, 9, 30) * 1e4,
                "multadds": rng.integers(1, 9, 30) * 1e9,
                "spread": spread,
            }
        )
        kept = coarse_front(frame, "psnr_y", ["params", "multadds"])
        allowed = 0.0 if math.isnan(spread) else spread
        for label, row in frame.iterrows():
            others = kept.drop(index=label, errors="ignore")
            no_dearer = (others[["params", "multadds"]] <= row[["params", "multadds"]]).all(axis=1)
            undercut = (others.loc[no_dearer, "psnr_y"] >= row["psnr_y"] - allowed).any()
            assert undercut == (label not in kept.index)


def test_a_copy_with_the_same_seed_is_no_second_seed(
    repeated: pd.DataFrame, database: Database
) -> None:
    third = database.sweep("copy")
    for number, psnr in enumerate((26.0, 27.0)):
        network = architecture("slwsr", {"n_feats": number + 1})
        same = psnr + 0.1 / math.sqrt(2)
        database.trial(third, number, same, 10e3, 1e9, network=network, seed=1)
    pd.testing.assert_frame_equal(
        variants(load_trials(database.url))[["psnr_y", "num_seeds", "spread"]],
        repeated[["psnr_y", "num_seeds", "spread"]],
    )


def test_of_two_runs_of_one_seed_the_newest_counts(database: Database) -> None:
    network = architecture("slwsr", {"n_feats": 8})
    for name, psnr in (("old", 26.4), ("new", 26.0)):
        database.trial(database.sweep(name), 0, psnr, 1e4, 1e9, network=network, seed=3)
    first = int(load_trials(database.url)["id"].min())
    row = Measurement(step=1_000, dataset="validation", name="psnr_y_int8", value=26.3)
    assert database.store.record(first, 1, [row])
    (by_float,) = variants(load_trials(database.url)).to_dict("records")
    assert (by_float["psnr_y"], by_float["num_seeds"]) == (26.0, 1)
    assert by_float["reference"] == "new#0"
    assert math.isnan(by_float["spread"])
    # The one that was exported stands for the seed where that is what is asked for.
    (by_int8,) = variants(load_trials(database.url), "psnr_y_int8").to_dict("records")
    assert (by_int8["psnr_y_int8"], by_int8["num_seeds"]) == (26.3, 1)
    assert by_int8["reference"] == "old#0"


def test_a_gap_to_bicubic_too_small_to_print_is_not_printed_as_none() -> None:
    assert "PSNR is less than 0.005 dB below bicubic's 28.13 dB" in below_bicubic(
        "PSNR", 28.126, 28.13
    )
    assert below_bicubic("PSNR", 28.13, 28.13) == ""


def test_a_choice_below_bicubic_is_called_so(database: Database) -> None:
    sweep_id = database.sweep("weak", validation_bicubic_psnr_y="26.5")
    database.trial(sweep_id, 0, 26.2, 10_000, 1e9)
    database.trial(sweep_id, 1, 26.9, 100_000, 5e9)
    frame = variants(load_trials(database.url))
    warning = "Worse than bicubic: its PSNR is 0.30 dB below bicubic's 26.50 dB on the same images."
    assert warning in best_within(frame, {"params": 50_000}).sentence
    assert "bicubic" not in best_within(frame, {}).sentence
    by_ssim = variants(load_trials(database.url), "ssim_y")
    assert warning in best_within(by_ssim, {"params": 50_000}, quality="ssim_y").sentence
