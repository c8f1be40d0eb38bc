"""Options and arguments that several commands share, and functions that read their values."""

import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd

from analysis.tables import Format, render
from searchspace.architecture import Architecture, architecture
from searchspace.cost import low_res_size
from searchspace.errors import UserError, cut, shown
from searchspace.quantity import parse_quantity
from searchspace.spec import SCALES
from srsweep.errors import use_database
from sweeps.advice import DEFAULT_STORAGE, STORAGE_VARIABLE
from sweeps.config.places import is_sweep_file
from sweeps.config.sweep_config import (
    ConfigError,
    SweepConfig,
    read_config,
)
from sweeps.config.yaml_lines import located
from sweeps.paths import expanded
from sweeps.store.urls import check_url
from sweeps.yaml_text import YamlError, read_yaml

Command = TypeVar("Command", bound=Callable[..., Any])


class ExpandedPath(click.Path):
    """A path in which ~ and $VAR are expanded. A shell does not expand ~ in --output=~/folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the expanded path. Ends the command if a variable is not set or the path has control characters."""
        try:
            value = expanded(os.fspath(value))
        except UserError as error:
            self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


class RealRange(click.FloatRange):
    """A range of numbers that rejects nan, which `click.FloatRange` accepts."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Returns the number. Ends the command if the value is not a number or is outside the range."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"must be a number, got {value}", param, ctx)
        return number


FILE = click.argument("file", type=ExpandedPath(path_type=Path, dir_okay=False))
VARIANT = click.argument("variant", metavar="VARIANT...", nargs=-1, required=True)
VERBOSE = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Also show each evaluation, and when a worker starts a trial.",
)
LOG = click.option(
    "--log",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    help="Append everything that -v shows to this file, with timestamps.",
)
SIZE = click.option(
    "--size",
    metavar="WxH",
    help="Width and height of the input image in pixels. Default: the size that gives a 1280x720 output.",
)
WEIGHTS = click.option(
    "--weights",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    help="Checkpoint to load. Default: the checkpoint of the trial, or the one that `srsweep train` wrote.",
)
SCALE = click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="Upscaling factor: 2, 3, 4 or 8. Default: the scale for which VARIANT was trained, otherwise 4.",
)
INTO = click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the output files.",
)


REPLACE = click.option("--replace", is_flag=True, help="Replace the output file if it exists.")


def _database(fallbacks: str) -> Callable[[Command], Command]:
    return click.option(
        "--db",
        envvar=STORAGE_VARIABLE,
        default=None,
        help=f"URL of the database. Default: the environment variable {STORAGE_VARIABLE} if it is set, otherwise {fallbacks}"
        f"{DEFAULT_STORAGE}.",
    )


DATABASE = _database("the `storage` of the sweep file given as an argument, otherwise ")
DATABASE_ALONE = _database("")
"""The option --db for commands that take no sweep file."""
MAX_THREADS = 1_024
"""Maximum number of threads that an option accepts."""
MAX_SIDE = 65_536
"""Maximum side of an image or a tile, in pixels, that an option accepts."""
DRIVER = click.option(
    "--driver",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where to run the trials. local: on this machine. ray: through Ray Tune, on this machine or a "
    "cluster.",
)
ADDRESS = click.option(
    "--address",
    help="Address of the Ray cluster to use with --driver ray. auto: the cluster that is running on this"
    " machine. "
    "Default: start a new Ray instance on this machine.",
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    default=1,
    show_default=True,
    help="Number of CPU threads.",
)


def tabular(command: Command) -> Command:
    """Adds the options --json and --csv to a command. The command receives "json", "csv" or None as `form`."""
    as_json = click.option(
        "--json", "form", flag_value="json", help="Print JSON, without rounding."
    )
    as_csv = click.option("--csv", "form", flag_value="csv", help="Print CSV, without rounding.")
    both: Any = [as_csv, as_json]
    for decorate in both:
        command = decorate(command)
    return command


def size_of(text: str | None, scale: int) -> tuple[int, int]:
    """Returns the (height, width) that 'WIDTHxHEIGHT' describes.

    For None, returns the size that gives a 1280x720 output.
    """
    if text is None:
        return low_res_size(scale)
    parts = text.lower().split("x")
    # More than six digits are not converted, because Python refuses to convert very many.
    sides = [int(part) for part in parts if part.isdecimal() and len(part) <= 6]
    if len(parts) != 2 or len(sides) != 2 or not all(8 <= side <= MAX_SIDE for side in sides):
        raise UserError(
            f"--size: must read WIDTHxHEIGHT, such as 320x180, with sides from 8 to {MAX_SIDE:,}, "
            f"got {shown(text)}"
        )
    return sides[1], sides[0]


def print_table(frame: pd.DataFrame, form: Format | None) -> None:
    """Prints `frame` in the given form. If the form is None, prints a table that fits the width of the terminal."""
    click.echo(render(frame, form or "table", width=text_width()))


def is_terminal() -> bool:
    """Returns whether stdin is a terminal, where a person can answer questions."""
    return sys.stdin.isatty()


def text_width() -> int | None:
    """Returns the number of characters per line of a table, or None for the width of the terminal."""
    return None if sys.stdout.isatty() else 200


def read_file(file: Path) -> SweepConfig:
    """Reads a sweep file and remembers its database for the log. Raises ConfigError with a line for each mistake."""
    config = read_config(file)
    use_database(config.storage)
    return config


def with_trials(config: SweepConfig, trials: int | None) -> SweepConfig:
    """Returns `config` with `trials` trials in total, or `config` itself if `trials` is None."""
    if trials is None:
        return config
    search = config.search.model_copy(update={"trials": trials})
    return config.model_copy(update={"search": search})


@contextmanager
def by_line(file: Path) -> Iterator[None]:
    """Turns a UserError of the `with` block into a ConfigError that names the line of the mistake in `file`.

    Use it for mistakes that appear only when the settings are used.
    """
    try:
        yield
    except UserError as error:
        raise ConfigError(located(file, str(error), SweepConfig.model_fields)) from error


def locate(names: Sequence[str], db: str | None) -> tuple[list[str], str]:
    """Returns the names of the sweeps that a command refers to, and the URL of their database.

    Each of `names` is the name of a sweep or a sweep file (.yaml, .yml). The URL is `db` if given, otherwise the
    storage of the first sweep file, otherwise DEFAULT_STORAGE. Raises UserError if the URL is not a database URL.
    """
    found = []
    for name in names:
        if is_sweep_file(name):
            config = read_config(Path(expanded(name)))
            db = db or config.storage
            name = config.name
        found.append(name)
    try:
        url = check_url(db or DEFAULT_STORAGE)
    except UserError as error:
        raise UserError(f"--db or {STORAGE_VARIABLE}: {error}") from None
    use_database(url)
    return found, url


def parse_architectures(family: str, knob_values: Sequence[str]) -> list[Architecture]:
    """Returns the architectures of a family that 'KNOB=VALUE' arguments describe.

    'KNOB=16|32' gives alternatives. The result has one architecture for each combination of alternatives. Values are
    written as in a sweep file. Raises UserError with one line for each mistake.
    """
    names, alternatives = [], []
    for text in knob_values:
        name, equals, values = text.partition("=")
        if not equals:
            raise UserError(f"{text}: must read KNOB=VALUE, such as n_feats=32")
        if name in names:
            raise UserError(f"{text}: {name} is given twice; write alternatives as {name}=16|32")
        names.append(name)
        alternatives.append([read_value(text, value) for value in values.split("|")])
    return [
        architecture(family, dict(zip(names, chosen, strict=True)))
        for chosen in itertools.product(*alternatives)
    ]


def parse_architecture(family: str, knob_values: Sequence[str]) -> Architecture:
    """Returns the architecture that 'KNOB=VALUE' arguments describe. Raises UserError if they describe several."""
    found = parse_architectures(family, knob_values)
    if len(found) != 1:
        raise UserError(f"{family}: must be one architecture, got {len(found)}")
    return found[0]


def read_value(text: str, value: str) -> Any:
    """Returns `value` parsed like a value in a sweep file. Raises a UserError that begins with `text`."""
    try:
        read = read_yaml(value)
    except YamlError:
        raise UserError(
            f"{cut(text)}: {shown(value)} is not a value; write a list as [0,1,2]"
        ) from None
    if read.faults:
        raise UserError(f"{text}: {read.faults[0][1]}")
    return read.value


def parts(text: str | None) -> list[str]:
    """Returns the comma-separated parts of an option's value. The result is empty if `text` is None."""
    return [] if text is None else [part.strip() for part in text.split(",")]


def positive(option: str, text: str, parse: Callable[[str], float] = parse_quantity) -> float:
    """Returns the number that `parse` reads from an option's value. Raises UserError if the number is not above 0."""
    try:
        value = parse(text)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None
    if value <= 0:
        raise UserError(f"{option}: must be above 0, got {text.strip()}")
    return value


def check_folder_of(option: str, file: Path) -> None:
    """Raises UserError if the folder of the output `file` does not exist. Call it before a long computation."""
    if not file.parent.is_dir():
        raise UserError(
            f"{option}: folder {file.parent} does not exist; create it or name another folder"
        )


def check_new(option: str, file: Path, *, replace: bool) -> None:
    """Raises UserError if `file` exists and `replace` is False, or if its folder does not exist."""
    check_folder_of(option, file)
    if file.is_file() and not replace:
        raise UserError(f"{option}: {file} exists already; add --replace, or name another file")
