"""Tests which waiting trial gets a free worker of Tune."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

ray_tune = pytest.importorskip("sweeps.drivers.ray_tune")


def chosen(waited: dict[str, float], **statuses: str) -> Any:
    """Returns the name of the chosen trial. `statuses` lists the trials in the order in which they were handed out."""
    now = time.monotonic()
    searcher = SimpleNamespace(
        segments=dict.fromkeys(statuses),
        handed_out={name: now - waited.get(name, 0.0) for name in statuses},
    )
    live = [SimpleNamespace(trial_id=name, status=of) for name, of in statuses.items()]
    controller = SimpleNamespace(get_live_trials=lambda: set(map(_hashable, live)))
    found = ray_tune.Placer(searcher).choose_trial_to_run(controller)
    return found and found.trial_id


def _hashable(trial: SimpleNamespace) -> Any:
    return type("Trial", (), vars(trial))


def test_a_trial_keeps_the_worker_that_starts_for_it() -> None:
    assert chosen({"b": 3.0}, a="RUNNING", b="PENDING", c="PENDING") == "c"


def test_a_trial_that_has_waited_for_long_takes_the_next_worker() -> None:
    waited = {"b": ray_tune.STARTING_SECONDS + 1}
    assert chosen(waited, a="RUNNING", b="PENDING", c="PENDING") == "b"


def test_nothing_is_chosen_where_nothing_waits() -> None:
    assert chosen({}, a="RUNNING") is None
