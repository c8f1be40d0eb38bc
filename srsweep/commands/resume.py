"""The command `resume`: continues a sweep from the database alone."""

import click

from srsweep.choice import stored_config
from srsweep.commands.run import run_config
from srsweep.options import ADDRESS, DATABASE, DRIVER, locate
from sweeps.run import DriverName


@click.command()
@click.argument("name")
@DATABASE
@DRIVER
@ADDRESS
def resume(name: str, db: str | None, driver: DriverName, address: str | None) -> None:
    """Resume a sweep after a stop or a crash.

    Uses the sweep file as it was when the sweep NAME last ran. To use the file as it is now, call
    `srsweep run FILE`.
    """
    _, url = locate([], db)
    config = stored_config(url, name)
    run_config(config.model_copy(update={"storage": url}), driver, address)
