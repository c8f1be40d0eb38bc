from analysis.choose.tiers import choose_tiers
from analysis.read.frames import load_trials
from tests.stored import Database


def test_nothing_is_chosen_from_a_sweep_without_trials(database: Database) -> None:
    database.sweep("young")
    assert choose_tiers(load_trials(database.url)) is None
