"""A gate of a sweep: trials below it are on no front and are not chosen."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.choose.gates import common_gates, gates_in, load_gates
from analysis.pages.live import load_live
from analysis.pages.report import cards_of, load_groups
from searchspace.architecture import architecture
from srsweep.choice import choose_several
from srsweep.cli import main
from srsweep.variant import Variant
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
