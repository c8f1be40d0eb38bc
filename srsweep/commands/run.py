"""The command `run`: runs the sweep that a sweep file describes."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from searchspace.quantity import format_duration
from srsweep.advice import advised
from srsweep.errors import say
from srsweep.options import ADDRESS, DRIVER, FILE, LOG, VERBOSE, by_line, read_file, with_trials
from srsweep.progress import Watcher
from sweeps.advice import has_secret
from sweeps.config.sweep_config import SweepConfig
from sweeps.run import DriverName, run_sweep
from sweeps.search.settings import MAX_TRIALS


@click.command()
@FILE
@click.option(
    "--trials",
    type=click.IntRange(1, MAX_TRIALS),
    help="Total number of trials. Default: search.trials in FILE.",
)
@DRIVER
@ADDRESS
@VERBOSE
@LOG
def run(
    file: Path,
    trials: int | None,
    driver: DriverName,
    address: str | None,
    verbose: bool,
    log: Path | None,
) -> None:
    """Run the sweep that FILE describes, or resume it.

    FILE is a sweep file. When you run the same command again, it trains only the missing trials. To add
    trials to a finished sweep, raise search.trials in FILE.

    \b
    Exit codes:
      0    The sweep is complete.
      1    The sweep failed, or another process is already running it. All results so far are stored.
      2    The file or the command line has a mistake.
      130  You stopped it with Ctrl-C, SIGTERM or `srsweep stop`. All results so far are stored.
    """
    config = with_trials(read_file(file), trials)
    again = resumption(config, driver, address)
    if trials is not None or has_secret(config.storage):
        # `resume` would not know the number of trials, nor the URL of the database.
        again = advised("run", file, *_given(trials, driver, address))
    with by_line(file):
        run_config(config, driver, address, again, verbose=verbose, log=log)


def resumption(config: SweepConfig, driver: DriverName, address: str | None) -> str:
    """Returns the command that resumes the sweep from its database."""
    words = _given(None, driver, address)
    return advised("resume", config.name, *words, storage=config.storage)


def _given(trials: int | None, driver: DriverName, address: str | None) -> list[str]:
    """Returns the arguments as options of `srsweep run` or `srsweep resume`. Leaves out defaults."""
    words = [] if trials is None else ["--trials", str(trials)]
    words += [] if driver == "local" else ["--driver", driver]
    return words + ([] if address is None else ["--address", address])


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Raises KeyboardInterrupt on SIGTERM, which schedulers and containers send before they kill a process."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_config(
    config: SweepConfig,
    driver: DriverName,
    address: str | None,
    again: str,
    *,
    verbose: bool = False,
    log: Path | None = None,
) -> None:
    """Runs a sweep, shows its progress, and prints a summary at the end. `verbose` and `log` are passed to `Watcher`.

    Ctrl-C or SIGTERM ends the process with exit code 130 and prints `again`, the command that continues the sweep.
    """
    console = Console()
    started = time.monotonic()
    try:
        with _sigterm_as_ctrl_c(), Watcher(console, verbose=verbose, log=log) as watcher:
            sweep = run_sweep(
                config,
                driver=driver,
                address=address,
                on_change=watcher.update,
                say=watcher.say,
                patient=True,
            )
    except KeyboardInterrupt:
        say(f"\nstopped; to continue, run `{again}` or the same command again", err=True)
        raise SystemExit(130) from None
    complete = sum(trial.state == "complete" for trial in sweep.trials.values())
    note = f" ({sweep.why_ended})" if sweep.why_ended else ""
    say(
        f"sweep {config.name}: {complete} of {len(sweep.trials)} trials complete{note} after "
        f"{format_duration(time.monotonic() - started)}, stored in {sweep.store.name}"
    )
