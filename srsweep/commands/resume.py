"""The command `resume`: continues a sweep that is stored in the database, without its sweep file."""

from pathlib import Path

import click

from searchspace.errors import UserError
from srsweep.choice import stored_config
from srsweep.commands.run import resumption, run_config
from srsweep.options import ADDRESS, DATABASE_ALONE, DRIVER, LOG, VERBOSE, locate
from sweeps.run import DriverName
from sweeps.train.own_function import functions_of


@click.command()
@click.argument("name")
@DATABASE_ALONE
@DRIVER
@ADDRESS
@VERBOSE
@LOG
def resume(
    name: str,
    db: str | None,
    driver: DriverName,
    address: str | None,
    verbose: bool,
    log: Path | None,
) -> None:
    """Resume a sweep after a stop or a crash.

    NAME is the name of the sweep. The sweep continues with the settings of its newest run, which the
    database stores. To use a sweep file that you have changed since then, call `srsweep run FILE`.
    """
    _, url = locate([], db)
    config = stored_config(url, name)
    if functions := functions_of(config.trainings):
        # A database may come from elsewhere, and must not say which code runs here.
        raise UserError(
            f"sweep {name}: trains with a function of your own, {functions[0]}; to continue it, run its sweep file with "
            "`srsweep run FILE`"
        )
    config = config.model_copy(update={"storage": url})
    again = resumption(config, driver, address)
    run_config(config, driver, address, again, verbose=verbose, log=log)
