"""Shows the progress of a sweep: a live panel on a terminal, otherwise plain lines, and a log file on demand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from analysis.tables import plain
from searchspace.errors import UserError
from searchspace.quantity import format_duration
from srsweep.progress_lines import (
    Front,
    columns_of,
    counts,
    front_words,
    given_up_line,
    heading_line,
    seconds_left,
    share_done,
    steps_done,
    trial_line,
    worker_cells,
)
from sweeps.engine.sweep import Sweep
from sweeps.engine.trial_state import Trial
from sweeps.messages import redacted, visible
from sweeps.records import Outcome, Record

FIRST_SECONDS, QUIET_SECONDS = 60.0, 600.0
"""Seconds without an ended trial after which plain output reports the progress, for the first time and later."""
MOST_WORKERS = 4
"""Maximum number of workers that a line of plain output describes."""
LOOK_SECONDS = 0.25
"""Minimum number of seconds between two updates of the panel if no trial has changed its state."""
BAR_COLUMNS = 46
"""Minimum width of a terminal, in columns, to show a bar."""


@contextmanager
def progress_bar(unit: str) -> Iterator[Bar]:
    """Yields a progress bar with the time left. Without a terminal, the bar prints lines instead.

    `unit` is the text after the numbers. It names the counted things, and may hold a field of the task: "steps
    {task.fields[note]}".
    """
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}}/{{task.total:,.0f}} {unit}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Bar(*columns, console=console, disable=not is_live(console)) as bar:
        yield bar


def is_live(console: Console) -> bool:
    """Returns whether `console` may move the cursor. It may not if NO_COLOR or TERM=dumb asks for plain text."""
    return console.is_terminal and not console.is_dumb_terminal and not console.no_color


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A snapshot of a sweep for the panel. The drawing thread must not read the sweep itself, which changes meanwhile."""

    at: float
    """Time (`time.monotonic`) of the snapshot."""
    share: float
    """The completed share of the sweep, from 0 to 1."""
    left: float | None
    """Expected remaining seconds at the time `at`; None before the first step."""
    name: str
    counts: str
    front: tuple[str, str]
    """The size of the front, and the best values; '' before the first result."""
    workers: tuple[tuple[str, str, str, str], ...]

    def time_left(self, now: float) -> str:
        """Describes in words how much time is left at `now`."""
        if self.left is None:
            return ""
        return f"{format_duration(max(0.0, self.left - (now - self.at)))} left"


class Watcher:
    """Shows the progress of a sweep. Pass its method `update` as `on_change` to `run_sweep`.

    If `verbose`, the watcher also prints each segment that a worker begins, and every evaluation. The file `log` gets
    all of these lines with timestamps, regardless of what the terminal shows.
    """

    def __init__(self, console: Console, *, verbose: bool = False, log: Path | None = None) -> None:
        self.console, self.verbose = console, verbose
        self.log, self.file = log, _opened(log)
        self.is_live = is_live(console)
        self.shown: Shown | None = None
        self.live = Live(
            console=console, transient=True, refresh_per_second=4, get_renderable=self._panel
        )
        self.started = self.said = self.looked = time.monotonic()
        self.patience = FIRST_SECONDS
        self.steps_at_start: int | None = None
        self.told: set[int] = set()
        """Numbers of the ended trials that have been reported."""
        self.seen: dict[int, tuple[Trial, str]] = {}
        """The running trials at the last update, by number, each with the last reported state."""
        self.front = Front()
        self.grown: int | None = None
        self.has_heading = False

    def __enter__(self) -> Self:
        if self.is_live:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_live:
            self.live.stop()
        if error is not None:
            self._write(f"ended by {kind.__name__ if kind else ''}: {error}".rstrip(": "))
        if self.file is not None:
            self.file.close()

    def update(self, sweep: Sweep, record: Record | None) -> None:
        """Shows the current state of the sweep. Prints a permanent line for each attempt that has ended."""
        now = time.monotonic()
        ends = isinstance(record, Outcome)
        if self.steps_at_start is None:
            self.started, self.steps_at_start = now, steps_done(sweep)
            self.told = {trial.number for trial in sweep.finished}
            self.front.take(sweep, list(sweep.repeats.values()))
        elif not (ends or record is None) and now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        self._tell_details(sweep)
        if ends:
            self._tell_ends(sweep)
        self.shown = self._look(sweep, now)
        if not self.is_live and now - self.said > self.patience:
            self.patience = QUIET_SECONDS
            self.say(self._status(self.shown))

    def say(self, text: str) -> None:
        """Prints a permanent line, and writes it to the log."""
        self._write(text)
        self.said = time.monotonic()
        self.console.print(plain(redacted(text)), soft_wrap=True)

    def _say_row(self, text: str) -> None:
        """Prints a permanent line, cut to the width of the terminal. The log gets the whole line."""
        self._write(text)
        self.said = time.monotonic()
        line = plain(redacted(text))
        if self.console.is_terminal:
            line.truncate(self.console.width, overflow="ellipsis")
        self.console.print(line, soft_wrap=True)

    def _detail(self, text: str) -> None:
        if self.verbose:
            self._say_row(text)
        else:
            self._write(text)

    def _write(self, text: str) -> None:
        """Writes a line to the log.

        If this fails, for example because the disk is full, the log ends with a message, and the sweep goes on.
        """
        if self.file is None:
            return
        stamp = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        try:
            self.file.writelines(
                f"{stamp} {visible(each)}\n" for each in redacted(text).splitlines()
            )
        except OSError as error:
            self.file = None
            self.say(f"--log: {self.log}: {error.strerror}; nothing more is logged")

    def _tell_details(self, sweep: Sweep) -> None:
        for number, trial in sweep.running.items():
            before = self.seen.get(number, (trial, ""))[1]
            cells = worker_cells(sweep, trial)
            begun = f"#{number} begins attempt {trial.attempt}: {trial.architecture.label}"
            evaluated = f"#{number} scored at step {max(trial.curve, default=0):,}: {cells[2]}"
            news = trial.doing if trial.doing in ("timing", "evaluating") else cells[2]
            if number not in self.seen:
                self._detail(begun)
            elif news and news != before:
                self._detail(f"#{number} {cells[1]}" if news == trial.doing else evaluated)
            self.seen[number] = (trial, news or before)

    def _tell_ends(self, sweep: Sweep) -> None:
        ended = [trial for number, (trial, _) in self.seen.items() if number not in sweep.running]
        columns = columns_of(sweep.config)
        for trial in ended:
            del self.seen[trial.number]
            joined = self._joined(sweep, trial)
            if trial.is_finished:
                self.told.add(trial.number)
            if not self.has_heading:
                self.has_heading = True
                self._say_row(heading_line(columns))
            self._say_row(trial_line(sweep, trial, columns, joined))
        given_up = [trial for trial in sweep.finished if trial.number not in self.told]
        if given_up:
            self.told |= {trial.number for trial in given_up}
            self._say_row(given_up_line(given_up))

    def _joined(self, sweep: Sweep, trial: Trial) -> int:
        """Updates the front. Returns the size of the front if the trial has joined it, otherwise 0."""
        if trial.state != "complete":
            return 0
        key, before = trial.architecture.key, self.front.keys
        self.front.take(sweep, [sweep.repeats[key]])
        joined = key in self.front.keys and key not in before
        if joined:
            self.grown = 0
        elif self.grown is not None:
            self.grown += 1
        return len(self.front.keys) if joined else 0

    def _look(self, sweep: Sweep, now: float) -> Shown:
        done = steps_done(sweep)
        pace = (done - (self.steps_at_start or 0)) / max(now - self.started, 1e-9)
        return Shown(
            at=now,
            share=share_done(sweep),
            left=seconds_left(sweep, pace) if pace > 0 else None,
            name=sweep.config.name,
            counts=counts(sweep),
            front=front_words(sweep, self.front, self.grown),
            workers=tuple(worker_cells(sweep, trial) for trial in sweep.running.values()),
        )

    def _status(self, shown: Shown) -> str:
        words = [shown.counts, *shown.front, shown.time_left(time.monotonic())]
        words += [f"{number} {doing}" for number, doing, *_ in shown.workers[:MOST_WORKERS]]
        return ", ".join(word for word in words if word)

    def _panel(self) -> RenderableType:
        """Returns the panel: the bar with the time left, the front, and lines for as many workers as fit."""
        shown = self.shown
        if shown is None:
            return Spinner("line", text="reads the images and checks the space")
        head = Table.grid(padding=(0, 1), expand=True)
        cells: list[RenderableType] = [_one_line(shown.name)]
        if self.console.width >= BAR_COLUMNS:
            head.add_column(max_width=24)
            head.add_column(ratio=1)
            cells.append(ProgressBar(total=1.0, completed=shown.share))
        cells.append(_one_line(f"{shown.share:.0%}"))
        cells.append(_one_line(shown.time_left(time.monotonic()) or "starting"))
        head.add_row(*cells)
        size, best = shown.front
        counted = ", ".join(text for text in (shown.counts, size) if text)
        lines = [_one_line(text) for text in (counted, best) if text]
        workers = Table.grid(padding=(0, 2))
        for _ in range(3):
            workers.add_column(no_wrap=True)
        workers.add_column(no_wrap=True, overflow="ellipsis")
        room = max(1, self.console.height - len(lines) - 3)
        for each in shown.workers[:room]:
            workers.add_row(*map(_one_line, each))
        more = len(shown.workers) - room
        return Group(
            head, *lines, workers, *([_one_line(f"and {more} more workers")] if more > 0 else [])
        )


def _one_line(text: str) -> Text:
    line = plain(redacted(text))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _opened(log: Path | None) -> TextIO | None:
    """Opens the file `log` for appending. Returns None if `log` is None. Raises UserError if the file cannot be opened."""
    if log is None:
        return None
    try:
        # Each line is on disk as soon as it is written, so that `tail -f` follows the sweep.
        return log.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise UserError(
            f"--log: must be a file that can be written, got {log}: {error.strerror}"
        ) from None
