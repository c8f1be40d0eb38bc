"""Tests the tables of trials in edge cases."""

import pandas as pd

from analysis.choose.variants import variants
from analysis.read.frames import knob_columns, load_trials
from tests.stored import Database


def test_whole_numbers_stay_whole_beside_knobs_that_others_lack() -> None:
    rows = [(1, "n_feats", "8"), (2, "n_feats", "16"), (2, "n_steps", "3")]
    knobs = knob_columns(pd.DataFrame(rows, columns=["trial_id", "name", "value"]))
    assert [str(value) for value in knobs["n_steps"]] == ["nan", "3"]


def test_variants_of_nothing_know_every_cost(database: Database) -> None:
    database.sweep("s")
    assert {"params", "multadds"} <= set(variants(load_trials(database.url)))
