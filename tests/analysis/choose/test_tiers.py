import numpy as np
import pandas as pd
import pytest

from analysis.choose.tiers import choose_tiers, tier_candidates
from analysis.read.frames import load_trials
from tests.stored import Database


def test_nothing_is_chosen_from_a_sweep_without_trials(database: Database) -> None:
    database.sweep("young")
    assert choose_tiers(load_trials(database.url)) is None


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("draw", range(5))
def test_the_candidates_for_tiers_are_all_that_matter(seeds: int, draw: int) -> None:
    rng = np.random.default_rng(draw)
    architectures = rng.integers(0, 60, 60 * seeds)
    trials = pd.DataFrame(
        {
            "sweep": "a",
            "number": np.arange(60 * seeds),
            "seed": np.arange(60 * seeds),
            "state": "complete",
            "label": "a network",
            "architecture": [f"{key:x}" for key in architectures],
            "psnr_y": (27 + architectures / 60 + rng.normal(0, 0.1, 60 * seeds)).round(1),
            "params": 1e4 * (1 + architectures % 50),
            "multadds": 1e9,
        }
    )
    everything, few = choose_tiers(trials), choose_tiers(tier_candidates(trials))
    assert everything is not None
    assert few is not None

    def numbers(chosen):
        return [chosen.frame.loc[s.row, "number"] for s in chosen.selections]

    assert numbers(few) == numbers(everything)
