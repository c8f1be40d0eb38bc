"""Trials below a gate of a sweep are on no front and are not chosen."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.choose.comparison import compare_sweeps
from analysis.choose.front import load_front
from analysis.choose.gates import common_gates, gates_in, load_gates
from analysis.pages.live import load_live
from analysis.pages.report import cards_of, load_groups
from searchspace.architecture import architecture
from searchspace.errors import UserError
from srsweep.choice import choose_several
from srsweep.cli import main
from srsweep.variant import Variant
from sweeps.records import Measurement
from tests.stored import Database


@pytest.fixture
def gated(small: Database) -> Database:
    """The sweep `small`, resumed with a gate that trial 0 fails."""
    about = {"host": "box", "git_commit": "c" * 40, "git_dirty": False, "versions": {}}
    small.store.add_life(1, text="constraints: [n_feats >= 1, psnr_y >= 26.5]", **about)
    return small


def test_the_front_has_no_trial_below_the_gate(gated: Database) -> None:
    shown = CliRunner().invoke(main, ["front", "small", "--json", "--db", gated.url])
    assert [row["number"] for row in json.loads(shown.stdout)] == [1, 2]
    assert "left out: 1 of 4 complete trials are below the gate PSNR >= 26.50 dB" in shown.stderr


def test_the_best_is_told_if_no_trial_passes(gated: Database) -> None:
    about = {"host": "box", "git_commit": "c" * 40, "git_dirty": False, "versions": {}}
    gated.store.add_life(1, text="constraints: [psnr_y >= 30]", **about)
    shown = CliRunner().invoke(main, ["front", "small", "--db", gated.url])
    assert (
        "4 of 4 complete trials are below the gate PSNR >= 30.00 dB; the highest PSNR is 27.50 dB"
        in (shown.stderr)
    )


def test_select_chooses_among_the_trials_that_pass(gated: Database) -> None:
    words = ["select", "small", "--max-params", "50k", "--db", gated.url]
    said = " ".join(CliRunner().invoke(main, words).stdout.split())
    assert "None of the 3 variants has parameters <= 50K" in said
    assert "1 of 4 variants are below the gate of their sweep (small: PSNR >= 26.50 dB)" in said


def test_pages_mark_the_gate_and_leave_its_trials_off_the_front(gated: Database) -> None:
    live = load_live(gated.url, "small")
    assert live.front["number"].tolist() == [1, 2]
    assert live.chosen is not None
    assert live.chosen.frame["number"].tolist() == [2, 1, 3]
    (group,) = load_groups(gated.url, None)
    assert group.trials.loc[group.trials["on_front"], "number"].tolist() == [1, 2]
    card = next(card for card in cards_of(gated.url, "small") if "params" in card.name)
    notes = [note["text"] for note in card.figure["layout"]["annotations"]]
    assert "gate 26.50" in notes


def test_a_sweep_stands_for_its_trials_above_the_gate(
    gated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []

    def choose(words: list[str], **given: object) -> Variant:
        named.extend(words)
        return Variant(architecture=architecture("slwsr", {}), scale=4, weights=Path("weights.pt"))

    monkeypatch.setattr("srsweep.choice.choose", choose)
    choose_several(["small"], scale=None, weights=None, db=gated.url, whole="front")
    assert named == ["small#1", "small#2"]


def test_gates_of_several_sweeps_are_those_that_all_have() -> None:
    one = gates_in("constraints: [psnr_y >= 27, ssim_y >= 0.8]")
    assert [str(gate) for gate in common_gates([one, gates_in("constraints: [psnr_y >= 27]")])] == [
        "psnr_y >= 27"
    ]
    assert common_gates([one, gates_in("name: other"), gates_in("a: [")]) == ()


def test_a_sweep_without_a_gate_has_none(small: Database) -> None:
    assert load_gates(small.url) == {"small": ()}


def test_compared_sweeps_count_only_networks_above_the_gate_that_all_share(gated: Database) -> None:
    sweep_id = gated.sweep("rival")
    gated.trial(sweep_id, 0, 26.2, 9_000, 0.9e9)
    gated.trial(sweep_id, 1, 26.8, 95_000, 4e9)

    def found(gate: str) -> tuple[list[tuple[str, int]], list[str]]:
        about = {"host": "box", "git_commit": "c" * 40, "git_dirty": False, "versions": {}}
        gated.store.add_life(sweep_id, text=f"constraints: [{gate}]", **about)
        compared = compare_sweeps(gated.url, ["small", "rival"])
        fronts = compared.fronts
        return list(zip(fronts["sweep"], fronts["number"], strict=True)), list(compared.notes)

    assert found("psnr_y >= 26.5") == (
        [("rival", 1), ("small", 1), ("small", 2)],
        ["networks that miss the gate PSNR >= 26.50 dB are left out"],
    )
    assert found("psnr_y >= 26.6") == (
        [("rival", 0), ("small", 0), ("rival", 1), ("small", 1), ("small", 2)],
        [
            "not all sweeps have these gates, so they are not applied (small: PSNR >= 26.50 dB; "
            "rival: PSNR >= 26.60 dB)"
        ],
    )


def test_a_comparison_without_a_network_above_the_gate_is_refused(gated: Database) -> None:
    sweep_id = gated.sweep("rival")
    gated.trial(sweep_id, 0, 26.2, 9_000, 0.9e9)
    about = {"host": "box", "git_commit": "c" * 40, "git_dirty": False, "versions": {}}
    gated.store.add_life(sweep_id, text="constraints: [psnr_y >= 26.5]", **about)
    with pytest.raises(
        UserError, match=r"no complete trial of rival passes the gate PSNR >= 26\.50"
    ):
        compare_sweeps(gated.url, ["small", "rival"])


def test_a_gate_judges_the_mean_over_seeds(database: Database) -> None:
    sweep_id = database.sweep("repeated")
    network = architecture("slwsr", {"n_feats": 8})
    for number, rgb in enumerate((26.95, 26.75, 26.7)):
        trial_id = database.trial(
            sweep_id, number, 28.0 - number / 10, 10_000, 1e9, seed=number, network=network
        )
        row = Measurement(step=1_000, dataset="validation", name="psnr_rgb", value=rgb)
        database.store.record(trial_id, 1, [row])
    (row,) = load_front(database.url, "repeated", {"psnr_rgb": "maximize"}).to_dict("records")
    assert row["psnr_rgb"] == pytest.approx(26.8)
    (gate,) = gates_in("constraints: [psnr_rgb >= 26.9]")
    assert load_front(database.url, "repeated", {"psnr_rgb": "maximize"}, (), (gate,)).empty
