"""The simulated cluster of benchmarks/simulated_cluster.py, with the real driver and database."""

from typing import Any

import pytest

from benchmarks import simulated_cluster, table
from sweeps.engine.limits import without_weights
from sweeps.engine.sweep import Sweep

TRIALS = 20


@pytest.fixture(scope="module")
def simulated() -> tuple[list[dict[str, Any]], list[Sweep]]:
    """The rows of a small simulation, and the sweep behind them."""
    sweeps: list[Sweep] = []

    class Kept(simulated_cluster.Cluster):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            sweeps.append(self.sweep)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_cluster, "Cluster", Kept)
        rows = list(simulated_cluster.simulate("random", TRIALS, workers=8, seconds=60.0))
    return rows, sweeps


def test_every_trial_ends_although_half_of_the_workers_are_lost(
    simulated: tuple[list[dict[str, Any]], list[Sweep]],
) -> None:
    rows, (sweep,) = simulated
    assert [row["finished"] for row in rows] == [2 * part for part in range(1, 11)]
    assert {trial.state for trial in sweep.trials.values()} == {"complete"}
    # Four of the eight workers were lost, one of which may have had no trial: each lost trial got one attempt more.
    attempts = [trial.attempt for trial in sweep.trials.values()]
    assert sum(attempts) in (TRIALS + 3, TRIALS + 4)
    assert max(attempts) == 2
    assert all(trial.errors == 0 for trial in sweep.trials.values())
    assert rows[-1]["recovered_s"] > 0
    assert rows[-1]["restart_s"] > 0


def test_the_table_has_the_time_of_the_second_and_the_ninth_tenth(
    simulated: tuple[list[dict[str, Any]], list[Sweep]],
) -> None:
    run = {"sampler": "random", "workers": 8, "trials": TRIALS}
    rows = [{key: str(value) for key, value in {**run, **row}.items()} for row in simulated[0]]
    first, *_ = list(table.simulated(rows))
    early, late = (float(rows[index]["driver_ms"]) for index in (1, -2))
    assert f"second and ninth tenth | | {early:.3g} ms, {late:.3g} ms | |" in first
    assert "simulated cluster of 8 workers, 20 trials, random" in first


def test_looking_at_the_new_trials_alone_deletes_the_same_weights(
    simulated: tuple[list[dict[str, Any]], list[Sweep]],
) -> None:
    _, (sweep,) = simulated
    lost = {trial.number for trial in without_weights(sweep.repeats.values(), sweep.config)}
    assert sweep.freed == lost
    assert 0 < len(lost) < TRIALS
    assert len(sweep._holding) == TRIALS - len(lost)
