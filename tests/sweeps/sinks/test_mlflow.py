"""MLflow's own client finds in its database what srsweep's database has."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.records import TrialRow
from sweeps.run import run_sweep
from tests.sweeps.sinks.copies import interrupt, logged, rows

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # MLflow's own warnings


def runs(uri: str) -> Iterator[tuple[Any, Any]]:
    """The client, and each run of the sweep."""
    mlflow = pytest.importorskip("mlflow")  # here, because its import takes a second
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny")
    for run in client.search_runs([experiment.experiment_id], order_by=["tags.`srsweep.trial`"]):
        yield client, run


def compare(client: Any, run: Any, row: TrialRow) -> None:
    history = sorted(
        (key, each.step, each.value)
        for key in run.data.metrics
        for each in client.get_metric_history(run.info.run_id, key)
    )
    expected = sorted(
        (f"{m.dataset or 'cost'}/{m.name}", m.step, m.value) for m in row.measurements
    )
    assert history == expected
    knobs = {"family": row.family, "seed": "0", "scale": "2"}
    assert run.data.params == knobs | {name: str(value) for name, value in row.knobs.items()}
    tags = run.data.tags
    assert (tags["srsweep.trial"], tags["srsweep.state"]) == (str(row.number), row.state)
    assert run.info.status == {"complete": "FINISHED", "stopped": "KILLED"}[row.state]


def test_runs_say_what_the_database_says_also_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    config = logged(tmp_path, mlflow=uri)
    interrupt(config, 2)
    run_sweep(config)
    stored = rows(config)
    found = list(runs(uri))
    assert len(found) == len(stored) == 3
    for (client, run), row in zip(found, stored, strict=True):
        compare(client, run, row)
