"""What becomes of a trial when one of its attempts ends, and when failures end the sweep.

    how the attempt ended                       state of the trial           is it tried again?
    it reached its rung                         complete on the last rung,   no; halving may promote it
                                                paused on the others
    from outside: Ctrl-C, a lost worker         paused                       yes
    out of memory beside other trials           paused                       yes, with nothing beside it
    by a fault of the machine                   paused                       yes
    by a latency above the budget               stopped                      no
    by an error that would come again           failed                       no
    by any other error                          paused, then failed after    yes, until then
                                                `search.max_attempts` errors

An attempt that is excused does not count as an error of its trial; its stored error says so. `Outcome` has what a
worker reports, `sweeps.train.segment.death` what is recorded of a worker that was killed.
"""

from collections.abc import Collection
from dataclasses import replace

from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.trial_state import Trial
from sweeps.measure.latency_objective import LATENCY, another_key
from sweeps.messages import reason_of
from sweeps.records import Outcome

LEAST_FINISHED = 5
"""Trials that must have finished before their share of failures can end a sweep."""


class SweepFailed(Exception):  # noqa: N818 - reads as what happened
    """The sweep cannot go on or has no result. What is stored stays."""


def settle(trial: Trial, outcome: Outcome, config: SweepConfig) -> tuple[Outcome, bool]:
    """Set the state of a trial whose attempt has ended.

    Returns the outcome to be stored and whether the trial is due for another attempt.
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
    """The outcome, turned into a machine's fault if the trial's latency is of another device than the sweep's.

    The worker itself refuses a wrong device. Only a trial that began before the sweep's first latency was known
    gets as far as this.
    """
    if not trial.timed or LATENCY in trial.scores:
        return outcome
    error = another_key(next(iter(trial.timed)), latency_key)
    return replace(outcome, error=error, machine_fault=True, too_slow=False)


def blocking_fault(trial: Trial, outcome: Outcome, config: SweepConfig) -> str:
    """What to mend before the sweep can go on, once a trial has met `search.max_attempts` machine faults in a row.

    Empty before that. Stopping the sweep is better than losing trials that no machine could train.
    """
    if not outcome.machine_fault or trial.machine_faults < config.search.max_attempts:
        return ""
    return f"{outcome.host}: {reason_of(outcome.error)}; no trial is given up: mend it, then run the sweep again"


def check_failures(trials: Collection[Trial], config: SweepConfig) -> None:
    """Raise SweepFailed if more trials have failed than `search.max_failed_share` allows."""
    failed = sum(trial.state == "failed" for trial in trials)
    finished = sum(trial.is_finished for trial in trials)
    if finished >= LEAST_FINISHED and failed > config.search.max_failed_share * finished:
        raise SweepFailed(
            f"{failed} of {finished} trials have failed, more than max_failed_share "
            f"{config.search.max_failed_share:g}; see `srsweep report {config.name}` for why"
        )


def check_result(trials: Collection[Trial]) -> None:
    """Raise SweepFailed if every trial has failed: such a sweep has no result."""
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed and len(failed) == len(trials):
        raise SweepFailed(f"all {len(failed)} trials have failed, the last one: {failed[-1].error}")
