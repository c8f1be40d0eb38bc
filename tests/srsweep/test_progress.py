"""Tests the output of a running sweep on a terminal, in a pipe and in a log file."""

import contextlib
import io
import os
import pty
import re
from pathlib import Path

import pytest
from rich.console import Console

from searchspace.errors import UserError
from srsweep.progress import Watcher, is_live
from srsweep.progress_lines import planned_steps, seconds_left, share_done, steps_left
from sweeps.engine.sweep import Sweep
from sweeps.records import Activity, Evaluation, Measurement, Outcome
from sweeps.store.store import Store
from tests.sweeps.sweeps_for_tests import small_config, start

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def evaluation(step: int, psnr: float) -> Evaluation:
    rows = (Measurement(step=step, dataset="validation", name="psnr_y", value=psnr),)
    return Evaluation(step=step, measurements=rows)


class Played:
    """A sweep of three trials whose workers only report, watched by a console of 80 columns."""

    def __init__(self, folder: Path, *, terminal: bool, verbose: bool = False) -> None:
        self.log = folder / "run.log"
        self.file = io.StringIO()
        environ = {"TERM": "xterm-256color"} if terminal else {"TERM": "dumb"}
        self.console = Console(
            file=self.file, width=80, height=24, force_terminal=terminal, _environ=environ
        )
        self.watcher = Watcher(self.console, verbose=verbose, log=self.log)
        self.watcher.is_live = False  # no thread: the test draws the panel itself
        store = Store("sqlite:///:memory:")
        config = small_config(folder, search={"sampler": "random", "trials": 3})
        with self.watcher:
            sweep = self.sweep = Sweep(config, store, holder="test", on_change=self.watcher.update)
            self.panels: list[str] = []
            for psnr in (26.0, 27.0):
                segment = start(sweep)
                self.draw()
                sweep.handle(segment, Activity(step=0, doing="timing"))
                self.draw()
                sweep.handle(segment, Activity(step=2, doing="training"))
                self.draw()
                sweep.handle(segment, evaluation(4, psnr), Outcome(step=4, seconds=2.0))
            segment = start(sweep)
            sweep.handle(segment, Outcome(step=1, error="the loss is nan at step 1", final=True))
            sweep.close()
        store.close()

    def draw(self) -> None:
        self.watcher.looked = 0.0
        self.watcher.update(self.sweep, Activity(step=0, doing="training"))
        with self.console.capture() as capture:
            self.console.print(self.watcher._panel())
        self.panels.append(re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capture.get()))


@pytest.fixture(scope="module")
def on_terminal(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("terminal"), terminal=True)


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("piped"), terminal=False, verbose=True)


def test_each_trial_leaves_one_line_of_at_most_80_columns(on_terminal: Played) -> None:
    lines = on_terminal.file.getvalue().splitlines()
    assert [line[:6].strip() for line in lines] == ["trial", "#0", "#1", "#2"]
    assert max(map(len, lines)) == 80
    assert re.match(r"#0 +complete +26\.00 +\S+K +\S+M +\+1 +slwsr", lines[1])
    assert lines[1].endswith("…")


def test_the_line_of_a_failed_trial_begins_with_the_reason(on_terminal: Played) -> None:
    last = on_terminal.file.getvalue().splitlines()[-1]
    assert "failed" in last
    assert "the loss is nan at step 1" in last


def test_the_panel_says_what_each_worker_does(on_terminal: Played) -> None:
    starting, timing, training, *_ = on_terminal.panels
    assert "#0  starting" in starting
    assert "#0  timing" in timing
    assert "#0  step 2/4" in training


def test_the_panel_has_a_bar_with_the_time_left_and_the_front(on_terminal: Played) -> None:
    first, last = on_terminal.panels[2], on_terminal.panels[-1]
    assert re.search(r"tiny [━╺╸]+ 17% +\d+ s left", first)
    assert re.search(r"tiny [━╺╸]+ 50% +\d+ s left", last)
    counted, best = last.splitlines()[1:3]
    assert counted.rstrip() == "1/3 complete, 1 on the front, grew just now"
    assert re.fullmatch(r"best PSNR-Y dB 26\.00, params \S+K, Mult-Adds \S+M", best.rstrip())
    assert max(len(line) for line in last.splitlines()) <= 80


def test_a_narrow_terminal_shows_the_panel_without_a_bar(on_terminal: Played) -> None:
    console = Console(file=(file := io.StringIO()), width=30, height=6, force_terminal=True)
    on_terminal.watcher.console = console
    console.print(on_terminal.watcher._panel())
    on_terminal.watcher.console = on_terminal.console
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", file.getvalue())
    assert max(map(len, text.splitlines())) <= 30
    assert "━" not in text
    assert "1/3 complete" in text or "2/3 complete" in text, text


def test_a_pipe_gets_whole_lines_without_control_characters(piped: Played) -> None:
    text = piped.file.getvalue()
    assert not CONTROL.search(text)
    labels = [trial.architecture.label for trial in piped.sweep.trials.values()]
    assert all(any(line.endswith(label) for line in text.splitlines()) for label in labels)


def test_verbose_tells_what_begins_and_is_measured(piped: Played) -> None:
    text = piped.file.getvalue()
    assert "#0 begins attempt 1: slwsr" in text
    assert "#0 timing" in text


def test_the_log_has_all_that_verbose_shows_with_the_time(on_terminal: Played) -> None:
    lines = on_terminal.log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S", line) for line in lines)
    text = "\n".join(lines)
    for words in ("#0 begins attempt 1: slwsr", "#0 timing", "#2     failed"):
        assert words in text
    assert "begins" not in on_terminal.file.getvalue()
    assert "…" not in text


def test_a_log_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--log: must be a file that can be written, got .*none"):
        Watcher(Console(file=io.StringIO()), log=tmp_path / "none" / "run.log")


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_terminals_get_no_cursor_movements(wish: dict[str, str]) -> None:
    environ = {"TERM": "xterm-256color"} | wish
    assert not is_live(Console(force_terminal=True, _environ=environ))
    assert is_live(Console(force_terminal=True, _environ={"TERM": "xterm-256color"}))


def test_the_time_left_knows_that_halving_ends_most_trials(tmp_path: Path) -> None:
    search = {"sampler": "random", "trials": 8, "halving": {"min_steps": 2, "factor": 2}}
    train = {"steps": 8, "patch_size": 8, "batch_size": 2, "evaluate_every": 2}
    config = small_config(tmp_path, search=search, train=train)
    assert config.rungs == (2, 4, 8)
    assert planned_steps(config, 8) == 8 * 2 + 4 * 2 + 2 * 4
    store = Store("sqlite:///:memory:")
    sweep = Sweep(config, store, holder="test")
    segment = start(sweep)
    sweep.handle(segment, evaluation(2, 26.0), Outcome(step=2, seconds=1.0))
    assert steps_left(sweep) == 30
    assert seconds_left(sweep, pace=2.0) == 15.0
    sweep.close()
    store.close()


def test_the_bar_follows_the_hours_where_they_end_the_sweep(tmp_path: Path) -> None:
    search = {"sampler": "random", "trials": 100, "hours": 10 / 3600}
    store = Store("sqlite:///:memory:")
    sweep = Sweep(small_config(tmp_path, search=search), store, holder="test")
    assert share_done(sweep) == 0
    spent = Measurement(step=2, dataset="train", name="seconds", value=4.0)
    sweep.handle(start(sweep), Evaluation(step=2, measurements=(spent,)))
    assert share_done(sweep) == pytest.approx(0.4)  # half of one trial in 100, but 4 of 10 seconds
    sweep.close()
    store.close()


def _interrupted(console: Console) -> None:
    with Watcher(console) as watcher:
        watcher.say("begun")
        raise KeyboardInterrupt


def _all_of(terminal: int) -> bytes:
    """Returns what was written to the other end of a terminal, which is closed. Reading past the end is an OSError."""
    seen = b""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            seen += part
    os.close(terminal)
    return seen


def test_ctrl_c_leaves_the_terminal_with_its_cursor() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as file:  # noqa: PTH123 - a file descriptor has no path
        console = Console(
            file=file, width=80, height=24, force_terminal=True, _environ={"TERM": "xterm"}
        )
        with pytest.raises(KeyboardInterrupt):
            _interrupted(console)
    seen = _all_of(ours)
    assert seen.count(b"\x1b[?25l") == seen.count(b"\x1b[?25h") == 1  # hidden once, shown once
    assert b"begun" in seen
    drawn, after = seen.rsplit(b"reads the images and checks the space", 1)
    assert drawn
    assert b"\x1b[2K" in after  # the panel is erased


def test_plain_output_says_how_far_the_sweep_is_after_a_minute_and_then_every_ten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("srsweep.progress.time.monotonic", lambda: now)
    file = io.StringIO()
    store = Store("sqlite:///:memory:")
    with Watcher(Console(file=file, width=80)) as watcher:
        sweep = Sweep(small_config(tmp_path), store, holder="test", on_change=watcher.update)
        segment = start(sweep)
        told = []
        for now in (59.0, 61.0, 660.0, 662.0, 1200.0, 1263.0):  # noqa: B007 - the clock
            sweep.handle(segment, Activity(step=2, doing="training"))
            told.append(len(file.getvalue().splitlines()))
        sweep.close()
    store.close()
    assert told == [0, 1, 1, 2, 2, 3]
    assert "0/4 complete" in file.getvalue()
    assert "#0 step 2/" in file.getvalue()
