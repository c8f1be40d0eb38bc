"""The rules for a trial whose attempt has ended, and for when failures end the sweep.

    how the attempt ended                       state of the trial           is it tried again?
    the trial reached its rung                  complete on the last rung,   no; halving may promote it
                                                paused on the others
    interrupted: Ctrl-C, a lost node            paused                       yes
    out of memory while other trials ran        paused                       yes, alone
    fault of the machine                        paused                       yes
    latency surely above the budget             stopped                      no
    error that would occur again                failed                       no
    any other error                             paused; failed after         yes, until it has failed
                                                `search.max_attempts` errors

Two kinds of ends do not count as errors of the trial: lack of memory while other trials ran, and faults of the machine.
The stored error text mentions this. `Outcome` holds the report of a worker. `sweeps.train.segment.death` returns the
error text for a worker that was killed.
"""

from collections.abc import Collection
from dataclasses import replace

from sweeps.advice import command
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.trial_state import Trial
from sweeps.measure.latency_objective import LATENCY, another_key
from sweeps.messages import reason_of
from sweeps.records import Outcome

LEAST_FINISHED = 5
"""Minimum number of finished trials before the share of failed trials can end a sweep."""


class SweepFailed(Exception):  # noqa: N818 - reads as what happened
    """The error of a sweep that cannot continue or has no result. Everything in the database stays there."""


def settle(trial: Trial, outcome: Outcome, config: SweepConfig) -> tuple[Outcome, bool]:
    """Sets the state of a trial whose attempt has ended with `outcome`, and counts its errors and machine faults.

    Returns the outcome to store, and whether the trial needs another attempt to reach its rung.
    """
    if outcome.interrupted:
        trial.state = "paused"
        return outcome, True
    if outcome.out_of_memory and trial.had_neighbours and not trial.alone:
        trial.state, trial.alone = "paused", True
        return outcome.excused(), True
    if outcome.machine_fault:
        trial.state = "paused"
        trial.machine_faults += 1
        return outcome.excused(), True
    if outcome.too_slow:
        trial.state, trial.error = "stopped", outcome.error
        return outcome, False
    if not outcome.error:
        is_last = trial.target == len(config.rungs) - 1
        trial.state = "complete" if is_last else "paused"
        return outcome, False
    trial.errors += 1
    trial.error = reason_of(outcome.error)
    is_final = outcome.final or trial.errors >= config.search.max_attempts
    trial.state = "failed" if is_final else "paused"
    return outcome, not is_final


def with_device_checked(trial: Trial, outcome: Outcome, latency_key: str) -> Outcome:
    """Returns `outcome`, or a machine fault if the key of the trial's latency is not `latency_key`.

    The key of a latency names its device, runtime and size. All latencies of a sweep must have the same key. Workers
    refuse a machine with another key. This function covers trials that began before the sweep's first latency was
    known.
    """
    if not trial.timed or LATENCY in trial.scores:
        return outcome
    error = another_key(next(iter(trial.timed)), latency_key)
    return replace(outcome, error=error, machine_fault=True, too_slow=False)


def blocking_fault(trial: Trial, outcome: Outcome, config: SweepConfig) -> str:
    """Returns why the sweep must stop if the trial had `search.max_attempts` machine faults in a row, otherwise ''.

    If the sweep went on, it would lose trials that no machine can train.
    """
    if not outcome.machine_fault or trial.machine_faults < config.search.max_attempts:
        return ""
    return f"{outcome.host}: {reason_of(outcome.error)}; no trial is given up: repair the machine, then run the sweep again"


def check_failures(trials: Collection[Trial], config: SweepConfig) -> None:
    """Raises SweepFailed if the share of failed trials among the finished trials exceeds `search.max_failed_share`.

    Does nothing while fewer than LEAST_FINISHED trials are finished.
    """
    failed = sum(trial.state == "failed" for trial in trials)
    finished = sum(trial.is_finished for trial in trials)
    if finished >= LEAST_FINISHED and failed > config.search.max_failed_share * finished:
        report = command("report", config.name, storage=config.storage)
        raise SweepFailed(
            f"{failed} of {finished} trials have failed, more than max_failed_share "
            f"{config.search.max_failed_share:g}; see `{report}` for why"
        )


def check_result(trials: Collection[Trial]) -> None:
    """Raises SweepFailed if every trial has failed, because the sweep then has no result."""
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed and len(failed) == len(trials):
        what = (
            "the only trial has failed"
            if len(failed) == 1
            else f"all {len(failed)} trials have failed, the last one"
        )
        raise SweepFailed(f"{what}: {failed[-1].error}")
