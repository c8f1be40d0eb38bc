"""Shows the progress of a sweep: a live panel on a terminal, otherwise plain lines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.progress_bar import ProgressBar
from rich.table import Table

from analysis.choose.pareto import front_mask
from analysis.tables import plain
from searchspace.cost import COSTS, costs
from searchspace.quantity import format_quantity
from sweeps.engine.repeats import Repeats
from sweeps.engine.sweep import Sweep
from sweeps.engine.trial_state import Trial
from sweeps.messages import redacted
from sweeps.records import Outcome, Record
from sweeps.search.gates import passes

PLAIN_SECONDS = 60.0
"""Seconds between the plain lines while no trial ends."""


@contextmanager
def progress_bar(unit: str) -> Iterator[Bar]:
    """Yields a progress bar with the time left. Without a terminal it prints lines only.

    `unit` follows the numbers. It names what is counted, and may hold a field of the task: "steps {task.fields[note]}".
    """
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}}/{{task.total:,.0f}} {unit}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        yield bar


class Watcher:
    """Shows the progress of a sweep. Pass its method `update` as `on_change` to `run_sweep`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, transient=True, refresh_per_second=4)
        self.started = time.monotonic()
        self.said = 0.0
        self.steps_at_start: int | None = None
        self.told: set[int] = set()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def update(self, sweep: Sweep, record: Record | None) -> None:
        """Shows the current state of the sweep. Each trial that ends leaves a permanent line."""
        if self.steps_at_start is None:
            self.steps_at_start = steps_done(sweep)
            self.told = {trial.number for trial in sweep.finished}
        if isinstance(record, Outcome):
            self._say_ends(sweep)
        if self.console.is_terminal:
            self.live.update(self._panel(sweep))
        elif time.monotonic() - self.said > PLAIN_SECONDS:
            self.say(status_line(sweep, self._eta(sweep)))

    def say(self, text: str) -> None:
        """Prints a permanent line."""
        self.said = time.monotonic()
        self.console.print(plain(redacted(text)), soft_wrap=True)

    def _say_ends(self, sweep: Sweep) -> None:
        for trial in sweep.finished:
            if trial.number not in self.told:
                self.told.add(trial.number)
                self.say(f"{end_line(sweep, trial)}   {status_line(sweep, self._eta(sweep))}")

    def _eta(self, sweep: Sweep) -> float | None:
        """Returns the expected seconds left at the average pace so far, or None before the first step."""
        done = steps_done(sweep) - (self.steps_at_start or 0)
        elapsed = time.monotonic() - self.started
        if done <= 0:
            return None
        total = sweep.config.planned_trials * sweep.config.train.steps
        return max(0.0, (total - steps_done(sweep)) * elapsed / done)

    def _panel(self, sweep: Sweep) -> Group:
        total = sweep.config.planned_trials * sweep.config.train.steps
        bar = ProgressBar(total=total, completed=steps_done(sweep), width=40)
        table = Table.grid(padding=(0, 2))
        for trial in sweep.running.values():
            score = trial.scores.get("psnr_y")
            shown = f"{score:.2f} dB" if score is not None else ""
            step = f"step {trial.step:,}"
            cells = (f"#{trial.number}", step, shown, trial.architecture.label)
            table.add_row(*map(plain, cells))
        return Group(plain(status_line(sweep, self._eta(sweep))), bar, table)


def steps_done(sweep: Sweep) -> int:
    """Returns the number of optimiser steps that are done.

    A trial that ended early counts as if it had done all its steps.
    """
    full = sweep.config.train.steps
    return sum(full if t.is_finished else t.step for t in sweep.trials.values())


def end_line(sweep: Sweep, trial: Trial) -> str:
    """Returns a line about a trial that has ended: its state, PSNR, costs and architecture, and why it failed."""
    counted = costs(trial.architecture, sweep.config.scale)
    score = trial.scores.get("psnr_y")
    shown = f"{score:6.2f} dB" if score is not None else "        "
    reason = f"  ({trial.error})" if trial.error and trial.state in ("failed", "stopped") else ""
    return (
        f"#{trial.number:<3} {trial.state:8} {shown}  {format_quantity(counted['params']):>7} params "
        f"{format_quantity(counted['multadds']):>7} Mult-Adds  {trial.architecture.label}{reason}"
    )


def status_line(sweep: Sweep, eta: float | None) -> str:
    """Returns a line with the number of trials (one for each seed of an architecture), the best value of each objective and the size of the front.

    `eta` is the time left in seconds. It is left out if it is None.
    """
    states = [trial.state for trial in sweep.trials.values()]
    parts = [f"{states.count('complete')}/{sweep.config.planned_trials} trials"]
    parts += [f"{states.count(s)} {s}" for s in ("running", "stopped", "failed") if s in states]
    complete = [repeats for repeats in sweep.repeats.values() if repeats.complete]
    if complete:
        values = objective_values(sweep, complete)
        for column, (name, direction) in enumerate(sweep.config.objectives.items()):
            best = values[:, column].max() if direction == "maximize" else values[:, column].min()
            shown = format_quantity(best) if name in COSTS else f"{best:.2f}"
            parts.append(f"best {name} {shown}")
        counting = [
            passes(each.values(sweep.config.scale), sweep.config.gates) for each in complete
        ]
        mask = front_mask(values[counting], list(sweep.config.objectives.values()))
        parts.append(f"{int(mask.sum())} on the front")
        if below := counting.count(False):
            parts.append(f"{below} below the gate")
    if eta is not None:
        parts.append(f"{format_duration(eta)} left")
    return ", ".join(parts)


def objective_values(sweep: Sweep, complete: list[Repeats]) -> np.ndarray:
    """Returns the objective values of architectures with complete trials, of shape (architectures, objectives).

    The measured objectives are means over the seeds.
    """
    values = [repeats.values(sweep.config.scale) for repeats in complete]
    return np.array([[each[n] for n in sweep.config.objectives] for each in values], dtype=float)


def format_duration(seconds: float) -> str:
    """Returns a duration such as '45 s', '12 min' or '3 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
