"""What the dashboard computes, at the moments in which a sweep has little to show."""

import pytest

from analysis.live import (
    curves_figure,
    front_rows,
    load_live,
    pareto_figure,
    sentence,
    volume_figure,
)
from tests.analysis.conftest import Database


@pytest.mark.parametrize("trials", [0, 1])
def test_a_sweep_without_a_complete_trial_is_drawn_empty(database: Database, trials: int) -> None:
    sweep_id = database.sweep("young")
    for number in range(trials):
        database.trial(sweep_id, number, 26.0, 1e4, 1e9, state="paused")
    live = load_live(database.url, "young")
    assert not volume_figure(live)["data"][0]["x"]
    assert not curves_figure(live)["data"] or trials == 0
    assert front_rows(live).empty
    assert "0 on the front" in sentence(live)
    pareto_figure(live, "params")


def test_a_flat_end_of_the_volume_is_drawn_to_the_last_trial(database: Database) -> None:
    sweep_id = database.sweep("flat")
    for number, psnr in enumerate((26.0, 27.0, 25.0, 24.0)):
        database.trial(sweep_id, number, psnr, 1e4 + number, 1e9)
    assert volume_figure(load_live(database.url, "flat"))["data"][0]["x"][-1] == 3
