"""Checks and runs sweeps."""

from typing import Any

import pandas as pd
from rich.console import Console

from srsweep.api.errors import with_user_errors
from srsweep.api.places import Source, configured
from srsweep.api.results import trials as stored_trials
from srsweep.commands.check import describe
from srsweep.options import with_trials
from srsweep.progress import Watcher
from sweeps.run import DriverName, run_sweep


@with_user_errors
def check(config: Source) -> dict[str, Any]:
    """Returns the facts that `srsweep check` prints about a sweep, by name, such as "feasible" or "expected time".

    `config` is the path of a sweep file, its settings as a mapping, or a SweepConfig. No trial is trained. Raises
    UserError with one line for each mistake.
    """
    with configured(config) as found:
        return describe(found)


@with_user_errors
def run(
    config: Source,
    *,
    trials: int | None = None,
    driver: DriverName = "local",
    address: str | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Runs a sweep to its end, or resumes it, and returns its trials as `srsweep.trials` does.

    `config` is the path of a sweep file, its settings as a mapping, or a SweepConfig. `trials` replaces search.trials.
    `driver` is "local" or "ray". `address` is the address of a Ray cluster. If `progress`, shows the progress on
    stdout.

    Raises UserError for a mistake in the settings or the images, SweepTaken if another process runs the sweep,
    SweepFailed if the sweep cannot go on or has no result, and StoreError if the database cannot be used. After
    KeyboardInterrupt, the same call resumes the sweep.
    """
    with configured(config) as found:
        wanted = with_trials(found, trials)
        if progress:
            with Watcher(Console()) as watcher:
                run_sweep(
                    wanted,
                    driver=driver,
                    address=address,
                    on_change=watcher.update,
                    say=watcher.say,
                    patient=True,
                )
        else:
            run_sweep(wanted, driver=driver, address=address, patient=True)
        return stored_trials(wanted.name, db=wanted.storage)
