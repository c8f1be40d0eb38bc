import pytest

from analysis.load import load_trials
from analysis.select import at_knee, best_within, selection_table, tiers, variants, weighted
from searchspace.architecture import architecture


@pytest.fixture
def frame(small):
    return variants(load_trials(small.url))


def taken(frame, selection) -> int:
    return int(frame.loc[selection.row, "number"])


def test_variants_are_the_complete_trials_best_first(frame) -> None:
    assert frame["number"].tolist() == [2, 1, 3, 0]
    assert frame["num_seeds"].tolist() == [1, 1, 1, 1]


def test_the_best_within_a_budget_is_taken_and_the_alternative_named(frame) -> None:
    chosen = best_within(frame, {"params": 250_000})
    assert taken(frame, chosen) == 1
    assert chosen.sentence.startswith(
        "Taken: slwsr n_feats=2 (trial 1), 27.00 dB, the highest PSNR of the 3"
    )
    # Trial 3 is dominated by the one taken, so the alternative worth naming is trial 0.
    assert "(trial 0): 1.00 dB less, 90 % fewer parameters, 80 % fewer Mult-Adds" in chosen.sentence


def test_budgets_hold_together_with_a_minimum(frame) -> None:
    assert taken(frame, best_within(frame, {"params": 1e6, "multadds": 6e9}, 26.5)) == 1
    nothing = best_within(frame, {"params": 20_000}, 27.0)
    assert nothing.row is None
    assert "None of the 4 variants has parameters <= 20K, PSNR >= 27.00 dB" in nothing.sentence


def test_each_tier_gets_its_best(frame) -> None:
    chosen = tiers(frame, "params", [600_000, 5_000, 50_000])
    assert [c.rule for c in chosen] == [f"parameters <= {n}" for n in ("5K", "50K", "600K")]
    assert [c.row is not None and taken(frame, c) for c in chosen] == [False, 0, 2]
    table = selection_table(frame, chosen)
    assert table["number"].isna().tolist() == [True, False, False]


def test_the_knee_and_the_weights_choose_from_the_front(frame) -> None:
    assert taken(frame, at_knee(frame)) == 1
    assert taken(frame, weighted(frame, {"psnr_y": 100.0, "params": 1.0})) == 2
    assert taken(frame, weighted(frame, {"psnr_y": 1.0, "params": 100.0})) == 0


def test_an_unknown_cost_names_the_nearest(frame) -> None:
    with pytest.raises(ValueError, match="no cost called 'parms'; did you mean params"):
        best_within(frame, {"parms": 1.0})


def test_seeds_are_averaged_and_what_is_closer_than_their_spread_is_tied(database) -> None:
    sweep_id = database.sweep("seeds")
    first, second = (architecture("slwsr", {"n_feats": n}) for n in (8, 16))
    for number, (network, seed, psnr) in enumerate(
        [(first, 0, 26.0), (first, 1, 26.2), (second, 0, 26.15), (second, 1, 26.25)]
    ):
        size = 1_000 if network is first else 2_000
        database.trial(sweep_id, number, psnr, size, size, network=network, seed=seed)
    frame = variants(load_trials(database.url))
    assert frame["psnr_y"].tolist() == pytest.approx([26.2, 26.1])
    assert frame["num_seeds"].tolist() == [2, 2]
    # Variances 0.02 and 0.005, one degree of freedom each.
    assert frame["psnr_spread"].tolist() == pytest.approx([0.0125**0.5] * 2)
    chosen = best_within(frame, {})
    assert (
        "the same PSNR within the seeds' spread of 0.11 dB, 50 % fewer parameters"
        in chosen.sentence
    )


def test_trials_on_other_images_are_not_compared(small) -> None:
    other = small.sweep("other", data_fingerprint="f2")
    small.trial(other, 0, 30.0, 10, 10)
    with pytest.raises(ValueError, match="data_fingerprint differs"):
        variants(load_trials(small.url))


def test_a_sweep_without_finished_trials_says_so(database) -> None:
    sweep_id = database.sweep("young")
    database.trial(sweep_id, 0, 26.0, 10, 10, state="running")
    frame = variants(load_trials(database.url))
    for chosen in (at_knee(frame), best_within(frame, {"params": 5.0})):
        assert chosen.row is None
        assert "no finished trial" in chosen.sentence
