"""Tests, without a cluster, what a Ray worker reports and what the driver reads from it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sweeps.records import Activity, Evaluation, Measurement, Outcome, Progress, Record

ray_worker = pytest.importorskip("sweeps.drivers.ray_worker")


def evaluation(step: int) -> Evaluation:
    measurement = Measurement(step=step, dataset="validation", name="psnr_y", value=step / 10)
    return Evaluation(step=step, measurements=(measurement,))


def test_the_last_evaluation_travels_with_the_outcome() -> None:
    records = [evaluation(10), Progress(step=15, loss=0.1), evaluation(20), Outcome(step=20)]
    first, last = ray_worker.messages(records, until_step=20)
    assert (first["step"], first["measurements"]) == (10, [("validation", "psnr_y", 1.0)])
    assert "outcome" not in first
    assert (last["step"], last["measurements"]) == (20, [("validation", "psnr_y", 2.0)])
    assert "outcome" in last
    assert last["done"]


def test_messages_hold_the_records_that_are_stored() -> None:
    records = [evaluation(10), Progress(step=15, loss=0.1), evaluation(20), Outcome(step=20)]
    told = ray_worker.messages(records, until_step=20)
    found = [record for message in told for record in ray_worker.records_in(message)]
    assert found == [record for record in records if not isinstance(record, Progress)]


def test_an_early_evaluation_is_reported_before_the_next_step_is_taken() -> None:
    taken = []

    def records() -> Iterator[Record]:
        for step in (10, 20):
            taken.append(step)
            yield evaluation(step)
        yield Outcome(step=20)

    next(ray_worker.messages(records(), until_step=20))
    assert taken == [10]


def test_an_outcome_is_told_once_the_segment_has_cleaned_up() -> None:
    cleaned = []

    def records() -> Iterator[Record]:
        yield evaluation(20)
        yield Outcome(step=20)
        cleaned.append(True)

    (only,) = ray_worker.messages(records(), until_step=20)
    assert "outcome" in only
    assert cleaned


def test_an_outcome_without_evaluation_is_reported_alone() -> None:
    (only,) = ray_worker.messages([Outcome(step=3, error="no luck")], until_step=20)
    assert "measurements" not in only
    assert "no luck" in only["outcome"]


def test_a_worker_needs_torch_no_sooner_than_a_segment_is_trained() -> None:
    script = (
        "import sys, sweeps.drivers.ray_worker; "
        "assert not {'torch', 'optuna', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_a_worker_does_is_told_at_once_and_then_rarely() -> None:
    records = [
        Activity(step=0, doing="timing"),
        *(Activity(step=n, doing="training") for n in (1, 2)),
    ]
    first, last = ray_worker.messages([*records, Outcome(step=3, seconds=1.0)], until_step=20)
    assert ray_worker.records_in(first) == [Activity(step=0, doing="timing")]
    assert last["done"]
