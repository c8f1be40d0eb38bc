"""The command `stop`: asks the driver of a sweep on this machine to end, as Ctrl-C does."""

import os
import signal
import time
from pathlib import Path

import click

from analysis.read.frames import load_sweeps
from searchspace.errors import UserError
from srsweep.advice import advised
from srsweep.errors import say
from srsweep.options import DATABASE, RealRange, locate
from sweeps.store.lease import Driver, SweepTaken, driver_of
from sweeps.store.store import Store

LOOK_SECONDS = 0.2
"""Seconds between two checks of the lease."""


@click.command()
@click.argument("name")
@click.option(
    "--wait",
    type=RealRange(min=0, max=86_400),
    default=60.0,
    show_default=True,
    help="Longest time, in seconds, to wait for the process of the sweep to end.",
)
@DATABASE
def stop(name: str, wait: float, db: str | None) -> None:
    """Stop a sweep that runs on this machine, as Ctrl-C does.

    NAME is the name of a sweep, or a sweep file. Running trials save their training state. To continue, use `srsweep
    resume` with the name, or `srsweep run` with the file. Exit code 1 means that the process running the sweep is on
    another machine or did not stop in time.
    """
    (sweep,), url = locate([name], db)
    # Raises for a mistyped name, which must not make a new database.
    sweep_id = int(load_sweeps(url, [sweep])["sweep_id"].iloc[0])
    store = Store(url)
    try:
        driver = driver_of(store.database, sweep_id)
        if driver is None:
            say(f"sweep {sweep}: no process runs it")
            return
        _ask(sweep, driver)
        say(f"sweep {sweep}: asked {driver.holder} to stop; its trials save their states first")
        give_up = time.monotonic() + wait
        while (now := driver_of(store.database, sweep_id)) and now.token == driver.token:
            if time.monotonic() > give_up:
                raise SweepTaken(
                    f"sweep {sweep}: {driver.holder} was asked to stop and has not ended after "
                    f"{wait:g} s; wait longer, "
                    "or kill it"
                )
            time.sleep(LOOK_SECONDS)
    finally:
        store.close()
    say(
        f"sweep {sweep}: {driver.holder} has stopped; `{advised('resume', sweep, storage=url)}` continues it"
    )


def _ask(sweep: str, driver: Driver) -> None:
    """Sends the driver the signal of Ctrl-C. Raises SweepTaken or UserError if this user cannot stop it from here."""
    if driver.process is None:
        raise SweepTaken(
            f"sweep {sweep}: {driver.holder} runs it, which is not on this machine; press Ctrl-C "
            "there, or call "
            "`ray job stop` for a sweep that `ray submit` started"
        )
    try:
        os.kill(driver.process, _signal_for(driver.process))
    except ProcessLookupError:
        return  # it has just ended
    except PermissionError:
        raise UserError(f"sweep {sweep}: {driver.holder} belongs to another user") from None


def _signal_for(process: int) -> signal.Signals:
    """Returns SIGINT, or SIGTERM if the process ignores SIGINT, as a background job of a script does."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return signal.SIGINT
    ignored = next(
        (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:")), 0
    )
    return signal.SIGTERM if ignored >> (signal.SIGINT - 1) & 1 else signal.SIGINT
