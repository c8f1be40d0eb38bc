"""Writes the lines about a running sweep: one for each ended trial, and the summary above the workers."""

from collections.abc import Sequence

import numpy as np

from analysis.choose.pareto import front_mask
from analysis.tables import HEADINGS, cell
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.repeats import Repeats
from sweeps.engine.sweep import Sweep
from sweeps.engine.trial_state import Trial
from sweeps.measure.latency_objective import LATENCY
from sweeps.messages import reason_of
from sweeps.search.gates import passes

HEADS = {"latency": "latency ms", "params": "params"}
"""Headings that are shorter here than on the pages, by column."""
SUMMARY = 12
"""Maximum number of trials that a line lists by number."""


def columns_of(config: SweepConfig) -> list[str]:
    """Returns the names of the values in a trial's line: PSNR, the objectives, the latency if it is measured, and the parameters if they fit."""
    names = ["psnr_y", *config.objectives, *([LATENCY] if config.is_timed else [])]
    # With three objectives or more, a line of 80 columns would have no room for the architecture.
    return list(dict.fromkeys(names + ["params"] * (len(set(names)) < 3)))


def _head(name: str) -> str:
    return HEADS.get(name, HEADINGS.get(name, name))


def heading_line(columns: Sequence[str]) -> str:
    """Returns the heading of the lines that `trial_line` returns."""
    numbers = "  ".join(f"{_head(name):>{_width(name)}}" for name in columns)
    return f"{'trial':6} {'state':8}  {numbers}  front  architecture"


def _width(name: str) -> int:
    return max(7, len(_head(name)))


def trial_line(sweep: Sweep, trial: Trial, columns: Sequence[str], joined: int = 0) -> str:
    """Returns the line about a trial whose attempt has ended.

    `joined` is the size of the front if the trial has joined it, otherwise 0. For a trial that waits at a rung, the
    line shows the step in place of the state. For a failed trial, it shows the reason in place of the numbers.
    """
    if trial.error and trial.state in ("failed", "stopped"):
        return f"#{trial.number:<5} {trial.state:8}  {reason_of(trial.error)}; {trial.architecture.label}"
    values = trial.values(sweep.config)
    shown = (cell(_as_column(name), values.get(name)) for name in columns)
    numbers = "  ".join(
        f"{text:>{_width(name)}}" for name, text in zip(columns, shown, strict=True)
    )
    waits = trial.state == "paused" and trial.step > 0
    state = f"at {trial.step:,}" if waits else trial.state
    front = f"+{joined}" if joined else ""
    label = trial.architecture.label
    return f"#{trial.number:<5} {state:8}  {numbers}  {front:<5}  {label}"


def _as_column(name: str) -> str:
    """Returns the name of the column whose number format applies to `name`."""
    return "latency_ms" if name == LATENCY else name


def given_up_line(trials: Sequence[Trial]) -> str:
    """Returns a line about the trials that halving had paused and that were stopped at the end of the sweep."""
    steps: dict[int, list[int]] = {}
    for trial in trials:
        steps.setdefault(trial.step, []).append(trial.number)
    parts = [
        f"{len(numbers)} at step {step:,} ({_numbers(numbers)})"
        for step, numbers in sorted(steps.items())
    ]
    return f"stopped by halving: {', '.join(parts)}"


def _numbers(numbers: Sequence[int]) -> str:
    named = " ".join(f"#{number}" for number in numbers[:SUMMARY])
    return named + (" ..." if len(numbers) > SUMMARY else "")


def planned_steps(config: SweepConfig, architectures: int) -> int:
    """Returns the total optimiser steps of a sweep of this number of `architectures`.

    If the sweep uses halving, one trial in `factor` is promoted at each rung.
    """
    rungs, halving = config.rungs, config.search.halving
    reach, total = architectures, architectures * rungs[0]
    for before, rung in zip(rungs, rungs[1:], strict=False):
        assert halving is not None
        reach //= halving.factor
        total += reach * (rung - before)
    return total + reach * (config.seeds - 1) * rungs[-1]


def steps_left(sweep: Sweep) -> float:
    """Returns the expected number of optimiser steps until the sweep ends.

    A trial that failed, or that was too slow for the budget, counts with the average number of steps that are planned per
    trial.
    """
    config, trials = sweep.config, sweep.trials.values()
    due = sum(config.rungs[trial.target] - trial.step for trial in sweep.running.values())
    architectures = len(sweep.repeats) if sweep.exhausted else config.search.trials
    planned = planned_steps(config, architectures)
    share = planned / max(1, architectures * config.seeds)
    done = sum(share if t.error and t.is_finished else t.step for t in trials)
    left = planned - done
    if config.search.steps is not None:
        left = min(left, config.search.steps - steps_done(sweep))
    return max(left, due, 0)


def steps_done(sweep: Sweep) -> int:
    """Returns the number of optimiser steps that the sweep's trials have taken."""
    return sum(trial.step for trial in sweep.trials.values())


def seconds_left(sweep: Sweep, pace: float) -> float:
    """Returns the expected seconds until the sweep ends at `pace` steps per second, which is above 0.

    If `search.hours` ends the sweep earlier, returns the time until then.
    """
    left = steps_left(sweep) / pace
    if sweep.config.search.hours is not None:
        spent = sum(trial.seconds for trial in sweep.trials.values())
        allowed = sweep.config.search.hours * 3600 - spent
        left = min(left, max(0.0, allowed) / max(1, len(sweep.running)))
    return left


def share_done(sweep: Sweep) -> float:
    """Returns how much of the sweep is done, from 0 to 1: of the expected steps, or of `search.hours` if that is more."""
    done, left = steps_done(sweep), steps_left(sweep)
    share = done / (done + left) if done + left else 0.0
    if sweep.config.search.hours is not None:
        spent = sum(trial.seconds for trial in sweep.trials.values())
        share = max(share, min(1.0, spent / (sweep.config.search.hours * 3600)))
    return share


class Front:
    """The Pareto front of the complete architectures, updated after each trial."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        """The objectives of each complete architecture, by its key. Measured objectives are means over the seeds."""
        self.keys: set[str] = set()
        """Keys of the architectures on the front."""
        self.below: set[str] = set()
        """Keys of the complete architectures that a gate keeps from the front."""
        self.best: list[float] = []
        """The best value of each objective; empty before the first complete trial."""

    def take(self, sweep: Sweep, all_of: Sequence[Repeats]) -> None:
        """Adds the complete architectures among `all_of`. All others keep their earlier values."""
        config = sweep.config
        for each in all_of:
            known = each.values(config) if each.complete else {}
            if known and all(name in known for name in config.objectives):
                key = each.architecture.key
                self.values[key] = [known[name] for name in config.objectives]
                (self.below.discard if passes(known, config.gates) else self.below.add)(key)
        if not self.values:
            return
        ways = list(config.objectives.values())
        table = np.array(list(self.values.values()), dtype=float)
        ends = table.max(0), table.min(0)
        self.best = [float(ends[way == "minimize"][place]) for place, way in enumerate(ways)]
        counting = [key for key in self.values if key not in self.below]
        points = table[[key not in self.below for key in self.values]]
        mask = front_mask(points, ways) if counting else np.zeros(0, np.bool_)
        self.keys = {key for key, is_on in zip(counting, mask, strict=True) if is_on}


def counts(sweep: Sweep) -> str:
    """Returns the numbers of complete and planned trials, and of trials in other states, as text."""
    states = [trial.state for trial in sweep.trials.values()]
    parts = [f"{states.count('complete')}/{sweep.config.planned_trials} complete"]
    parts += [f"{states.count(s)} {s}" for s in ("paused", "stopped", "failed") if s in states]
    return ", ".join(parts)


def front_words(sweep: Sweep, front: Front, grown: int | None) -> tuple[str, str]:
    """Returns the size of the front with how long it has been unchanged, and the best values; '' before the first result.

    `grown` is the number of trials that have ended since the front last changed; None if this process saw no change.
    """
    if not front.best:
        return "", ""
    size = f"{len(front.keys)} on the front"
    if grown is not None:
        trials = "1 trial" if grown == 1 else f"{grown} trials"
        size += ", grew just now" if grown == 0 else f", unchanged for {trials}"
    size += f", {len(front.below)} below the gate" if front.below else ""
    best = [
        f"{_head(name)} {cell(_as_column(name), value)}"
        for name, value in zip(sweep.config.objectives, front.best, strict=True)
    ]
    return size, f"best {', '.join(best)}"


def worker_cells(sweep: Sweep, trial: Trial) -> tuple[str, str, str, str]:
    """Returns a running trial's number, the activity of its worker, its newest PSNR and its architecture."""
    target = sweep.config.rungs[trial.target]
    doing = trial.doing or "starting"
    if doing == "training":
        doing = f"step {trial.step:,}/{target:,}"
    elif doing == "evaluating":
        doing = f"evaluating at {trial.step:,}/{target:,}"
    psnr = trial.scores.get("psnr_y")
    shown = "" if psnr is None else f"{psnr:.2f} dB"
    return f"#{trial.number}", doing, shown, trial.architecture.label
