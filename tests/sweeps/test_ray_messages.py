"""What a Ray worker reports, and what the driver makes of it, without a cluster."""

import pytest

from sweeps.records import Evaluation, Measurement, Outcome, Progress

ray_tune = pytest.importorskip("sweeps.drivers.ray_tune")


def evaluation(step: int) -> Evaluation:
    measurement = Measurement(step=step, dataset="validation", name="psnr_y", value=step / 10)
    return Evaluation(step=step, measurements=(measurement,))


def test_the_last_evaluation_travels_with_the_outcome() -> None:
    records = [evaluation(10), Progress(step=15, loss=0.1), evaluation(20), Outcome(step=20)]
    first, last = ray_tune._messages(records, until_step=20)
    assert (first["step"], first["measurements"]) == (10, [("validation", "psnr_y", 1.0)])
    assert "outcome" not in first
    assert (last["step"], last["measurements"]) == (20, [("validation", "psnr_y", 2.0)])
    assert "outcome" in last


def test_an_early_evaluation_is_reported_before_the_next_step_is_taken() -> None:
    taken = []

    def records() -> object:
        for step in (10, 20):
            taken.append(step)
            yield evaluation(step)
        yield Outcome(step=20)

    next(ray_tune._messages(records(), until_step=20))
    assert taken == [10]


def test_an_outcome_without_evaluation_is_reported_alone() -> None:
    (only,) = ray_tune._messages([Outcome(step=3, error="no luck")], until_step=20)
    assert "measurements" not in only
    assert "no luck" in only["outcome"]
