"""The table of training recipes states what the recorded rows say."""

from analysis.read.frames import load_trials
from tools.recipe_configs import FOLDER
from tools.recipe_table import HEAD, URL, rows


def test_the_table_of_recipes_is_that_of_its_rows() -> None:
    page = (FOLDER / "README.md").read_text()
    assert "\n".join([HEAD, *rows()]) in page


def test_each_recipe_was_trained_with_three_seeds() -> None:
    trials = load_trials(URL)
    assert set(trials["state"]) == {"complete"}
    counts = trials.groupby(["sweep", "architecture"])["seed"].agg(list)
    assert all(seeds == [0, 1, 2] for seeds in counts)
    assert "recipe-default" in set(trials["sweep"])
