"""How often a sweep writes, and that what is written together is there together."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.store.store import Store, StoreError
from tests.sweeps.sweeps_for_tests import small_config, start


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    config = small_config(tmp_path)
    store = Store(config.storage, retry_seconds=0)
    opened = Sweep(config, store, holder="test")
    yield opened
    opened.close()
    store.close()


def evaluation(step: int) -> Evaluation:
    row = Measurement(step=step, dataset="validation", name="psnr_y", value=30.0 + step)
    return Evaluation(step=step, measurements=(row,))


def measured(sweep: Sweep, number: int) -> dict[int, float]:
    rows = sweep.store.trials(sweep.id)[number].measurements
    return {m.step: m.value for m in rows if m.name == "psnr_y"}


def test_a_trial_takes_two_transactions_and_one_for_each_early_evaluation(sweep: Sweep) -> None:
    commits: list[object] = []
    event.listen(sweep.store.engine, "commit", commits.append)
    segment = start(sweep)
    assert len(commits) == 1
    sweep.handle(segment, evaluation(2))
    assert len(commits) == 2
    sweep.handle(segment, evaluation(4), Outcome(step=4))
    assert len(commits) == 3
    (row,) = sweep.store.trials(sweep.id)
    assert (row.state, row.attempts, row.until_step) == ("complete", 1, 4)
    assert measured(sweep, 0) == {2: 32.0, 4: 34.0}


def test_an_outcome_that_cannot_be_stored_leaves_its_evaluation_unstored(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(connection: object) -> None:
        raise OSError("the machine goes down")

    segment = start(sweep)
    event.listen(sweep.store.engine, "commit", refuse)
    with pytest.raises((StoreError, OSError)):
        sweep.handle(segment, evaluation(4), Outcome(step=4))
    event.remove(sweep.store.engine, "commit", refuse)
    (row,) = sweep.store.trials(sweep.id)
    assert row.state == "running"
    assert measured(sweep, 0) == {}


def test_an_attempt_that_was_given_up_stores_no_last_evaluation(sweep: Sweep) -> None:
    segment = start(sweep)
    sweep.store.begin_attempt(segment.trial_id, 4)
    row = evaluation(4).measurements
    sweep.store.end_attempt(segment.trial_id, 1, Outcome(step=4), "complete", row)
    assert measured(sweep, 0) == {}
    assert sweep.store.trials(sweep.id)[0].state == "running"
