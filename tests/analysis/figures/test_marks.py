from analysis.choose.tiers import choose_tiers
from analysis.figures.marks import mark
from analysis.read.frames import load_trials
from tests.stored import Database


def test_each_variant_is_marked_once_for_the_smallest_tier_that_takes_it(small: Database) -> None:
    chosen = choose_tiers(load_trials(small.url), (20e3, 50e3, 150e3, 600e3))
    assert chosen is not None
    figure = {"data": [], "layout": {"yaxis": {"range": [26, 28]}}}
    mark(figure, chosen, "params")
    (trace,) = figure["data"]
    assert trace["x"] == [1e4, 1e5, 5e5]
    assert trace["text"] == ["20K", "150K", "600K"]
