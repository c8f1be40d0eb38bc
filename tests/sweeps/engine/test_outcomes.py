"""The state of a trial after each way in which an attempt can end: the table at the top of `outcomes`."""

from pathlib import Path
from typing import Any

import pytest

from searchspace.architecture import architecture
from sweeps.engine.outcomes import SweepFailed, blocking_fault, check_failures, check_result, settle
from sweeps.engine.trial_state import Trial
from sweeps.records import Outcome, State
from tests.sweeps.sweeps_for_tests import small_config

NETWORK = architecture("slwsr", {"n_feats": 8, "n_blocks": 6})


def trial(number: int = 0, **changes: Any) -> Trial:
    return Trial(id=number, number=number, architecture=NETWORK, **changes)


@pytest.mark.parametrize(
    ("before", "outcome", "state", "again", "errors", "excused"),
    [
        ({}, {}, "complete", False, 0, False),
        ({}, {"interrupted": True}, "paused", True, 0, False),
        ({"had_neighbours": True}, {"error": "e", "out_of_memory": True}, "paused", True, 0, True),
        ({}, {"error": "e", "out_of_memory": True}, "paused", True, 1, False),
        ({}, {"error": "full", "machine_fault": True}, "paused", True, 0, True),
        ({}, {"error": "slow", "too_slow": True}, "stopped", False, 0, False),
        ({}, {"error": "e", "final": True}, "failed", False, 1, False),
        ({}, {"error": "e"}, "paused", True, 1, False),
        ({"errors": 1}, {"error": "e"}, "failed", False, 2, False),
    ],
)
def test_an_attempt_ends(
    tmp_path: Path,
    before: dict[str, Any],
    outcome: dict[str, Any],
    state: State,
    again: bool,
    errors: int,
    excused: bool,
) -> None:
    config = small_config(tmp_path, search={"trials": 4, "max_attempts": 2})
    ended = trial(**before)
    stored, due = settle(ended, Outcome(step=3, **outcome), config)
    assert (ended.state, due, ended.errors) == (state, again, errors)
    assert stored.error.startswith("not counted") == excused
    assert outcome.get("error", "") in stored.error


def test_a_trial_that_reached_a_lower_rung_pauses(tmp_path: Path) -> None:
    halving = {"trials": 4, "halving": {"min_steps": 2, "factor": 2}}
    config = small_config(tmp_path, search=halving)
    ended = trial()
    assert settle(ended, Outcome(step=2), config)[1] is False
    assert ended.state == "paused"


def test_machine_faults_in_a_row_stop_the_sweep_with_the_machine_and_the_reason(
    tmp_path: Path,
) -> None:
    config = small_config(tmp_path, search={"trials": 4, "max_attempts": 2})
    fault = Outcome(step=0, error="disk full", host="node-7", machine_fault=True)
    unlucky = trial()
    settle(unlucky, fault, config)
    assert blocking_fault(unlucky, fault, config) == ""
    settle(unlucky, fault, config)
    assert blocking_fault(unlucky, fault, config).startswith("node-7: disk full; no trial is given")


@pytest.mark.parametrize(
    ("failed", "words"),
    [(1, "the only trial has failed: no"), (2, "all 2 trials have failed, the last one: no")],
)
def test_a_sweep_without_a_result_says_how_many_trials_failed(failed: int, words: str) -> None:
    trials = [trial(i, state="failed", error="no") for i in range(failed)]
    with pytest.raises(SweepFailed, match=f"^{words}$"):
        check_result(trials)
    check_result([*trials, trial(failed, state="complete")])


@pytest.mark.parametrize(
    ("failed", "complete", "stops"), [(4, 0, False), (3, 2, True), (2, 3, False)]
)
def test_failures_stop_a_sweep_from_the_fifth_trial_on(
    tmp_path: Path, failed: int, complete: int, stops: bool
) -> None:
    config = small_config(tmp_path)
    trials = [
        trial(i, state="failed" if i < failed else "complete") for i in range(failed + complete)
    ]
    if stops:
        with pytest.raises(
            SweepFailed, match=f"{failed} of {failed + complete} trials have failed"
        ):
            check_failures(trials, config)
    else:
        check_failures(trials, config)
