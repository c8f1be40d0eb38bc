"""The quartiles of a latency stay beside the latency that they belong to."""

import numpy as np

from analysis.choose.select import best_within, selection_table
from analysis.choose.variants import variants
from analysis.read.frames import load_trials
from analysis.tables import spread_columns
from searchspace.architecture import architecture
from sweeps.records import Measurement
from tests.stored import Database

FAST = "latency_ms onnxruntime int8 320x180 1 threads"


def measure(database: Database, number: int, name: str, dataset: str, value: float) -> None:
    trials = load_trials(database.url)
    trial_id = int(trials.loc[trials["number"] == number, "id"].iloc[0])
    rows = [Measurement(step=1_000, dataset=dataset, name=name, value=value)]
    assert database.store.record(trial_id, 1, rows)


def test_a_selection_by_latency_shows_its_quartiles(small: Database) -> None:
    """The quartiles come from the trial whose latency counts."""
    lower, upper, reliable = spread_columns([FAST])
    for number, value in ((1, 0.4), (2, 0.9)):
        for name, stored in ((FAST, value), (lower, value - 0.1), (upper, value + 0.1)):
            measure(small, number, name, "box", stored)
        measure(small, number, reliable, "box", 1.0 if number == 1 else 0.0)
    measure(small, 0, FAST, "box", 0.2)  # an earlier srsweep stored the median alone
    frame = variants(load_trials(small.url))
    column = f"{FAST} on box"
    chosen = [best_within(frame, {"latency": limit}) for limit in (0.3, 0.5, 1.0)]
    table = selection_table(frame, chosen, latencies=[column])
    assert table[column].tolist() == [0.2, 0.4, 0.9]
    assert table["quartiles_ms"].tolist() == ["", "0.3 to 0.5", "0.8 to 1, unreliable"]
    assert "quartiles_ms" not in selection_table(frame, chosen)


def test_the_quartiles_of_two_runs_of_a_seed_are_not_mixed(database: Database) -> None:
    """The newest run has a latency without quartiles; those of the older run are of another latency."""
    network = architecture("slwsr", {"n_feats": 8})
    lower, upper, _ = spread_columns([FAST])
    stored = ({FAST: 3.0, lower: 2.9, upper: 3.1}, {FAST: 7.0})
    for name, values in zip(("one", "two"), stored, strict=True):
        trial_id = database.trial(database.sweep(name), 0, 26.0, 1e4, 1e9, network=network)
        rows = [
            Measurement(step=1_000, dataset="box", name=each, value=value)
            for each, value in values.items()
        ]
        assert database.store.record(trial_id, 1, rows)
    (row,) = variants(load_trials(database.url)).to_dict("records")
    assert row[f"{FAST} on box"] == 7.0
    assert np.isnan(row[f"{lower} on box"])
