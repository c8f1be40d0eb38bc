"""`srsweep run`, `resume` and `check`: a sweep file, or the one stored last, put to work."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pandas as pd
import yaml
from rich.console import Console

from analysis.read.frames import load_lives
from analysis.tables import Format
from srsweep.commands.check import describe
from srsweep.databases import DEFAULT_DATABASE, database
from srsweep.options import print_table, tabular
from srsweep.progress import Watcher, format_duration
from sweeps.config.sweep_config import ConfigError, SweepConfig, parse_config, read_config
from sweeps.config.yaml_lines import located
from sweeps.messages import without_password
from sweeps.run import DriverName, run_sweep


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--trials", type=click.IntRange(min=1), help="Instead of search.trials in the file.")
@click.option(
    "--driver",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="local: processes on this machine; ray: Ray Tune.",
)
@click.option(
    "--address", help="Of a running Ray cluster, such as auto; default: a Ray of its own."
)
def run(file: Path, trials: int | None, driver: DriverName, address: str | None) -> None:
    """Run the sweep in FILE, or resume it.

    Running it again trains what is still missing, such as more trials than before.
    Exit code 0: done; 1: the sweep failed; 2: something in the file or on the command line is wrong;
    130: stopped by Ctrl-C, with everything stored.
    """
    config = read_config(file)
    if trials is not None:
        search = config.search.model_copy(update={"trials": trials})
        config = config.model_copy(update={"search": search})
    with by_line(file):
        _run(config, driver, address)


@contextmanager
def by_line(file: Path) -> Iterator[None]:
    """What turns out to be wrong with FILE only when it is put to use is told by line too."""
    try:
        yield
    except (ConfigError, ValueError) as error:
        raise ConfigError(located(file, str(error), SweepConfig.model_fields)) from error


def _run(config: SweepConfig, driver: DriverName, address: str | None) -> None:
    console = Console()
    started = time.monotonic()
    try:
        with Watcher(console) as watcher:
            sweep = run_sweep(
                config,
                driver=driver,
                address=address,
                on_change=watcher.update,
                say=watcher.say,
                patient=True,
            )
    except KeyboardInterrupt:
        click.echo(
            f"\nstopped; `srsweep resume {config.name}` or the same command carries on", err=True
        )
        raise SystemExit(130) from None
    complete = sum(trial.state == "complete" for trial in sweep.trials.values())
    note = f" ({sweep.why_ended})" if sweep.why_ended else ""
    click.echo(
        f"sweep {config.name}: {complete} of {len(sweep.trials)} trials complete{note}, "
        f"{format_duration(time.monotonic() - started)}, in {sweep.store.name}"
    )


@click.command()
@click.argument("name")
@database
@click.option("--driver", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", help="Of a running Ray cluster, such as auto.")
def resume(name: str, db: str | None, driver: DriverName, address: str | None) -> None:
    """Carry on a sweep after a stop or a crash.

    With the text that was run last; `srsweep run FILE` does the same with the file as it is now.
    """
    url = db or DEFAULT_DATABASE
    text = yaml.safe_load(load_lives(url, [name])["text"].iloc[-1])
    config = parse_config({"metadata": {"sweep": text}}, f"sweep {name} in {without_password(url)}")
    _run(config.model_copy(update={"storage": url}), driver, address)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@tabular
def check(file: Path, form: Format | None) -> None:
    """Check FILE and say what it would do.

    The size of the space, the share within the budget, the range of the costs, the expected time.
    """
    config = read_config(file)
    with by_line(file):
        described = describe(config)
    if form == "json":
        click.echo(json.dumps(described, indent=2))
        return
    if form == "csv":
        print_table(pd.DataFrame([described]), form)
        return
    for name, value in described.items():
        click.echo(f"{name:22} {value}")
