"""What several commands share: options, architectures from the command line, output formats."""

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd
import yaml

from analysis.tables import Format, render
from searchspace.architecture import Architecture, architecture
from searchspace.quantity import parse_quantity

Command = TypeVar("Command", bound=Callable[..., Any])


VARIANT = click.argument("variant", metavar="VARIANT...", nargs=-1, required=True)
WEIGHTS = click.option(
    "--weights",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint; default: that of the trial or of the folder.",
)
SCALE = click.option(
    "--scale",
    type=click.IntRange(min=2),
    help="Upscaling factor; default: the trial's, otherwise 4.",
)
INTO = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder.",
)
"""What the commands about one variant take alike."""


def tabular(command: Command) -> Command:
    """Adds --json and --csv to a command, which receives `form`."""
    as_json = click.option("--json", "form", flag_value="json", help="Print JSON with all digits.")
    as_csv = click.option("--csv", "form", flag_value="csv", help="Print CSV with all digits.")
    both: Any = [as_csv, as_json]
    for decorate in both:
        command = decorate(command)
    return command


def print_table(frame: pd.DataFrame, form: Format | None) -> None:
    """`frame` on standard output, as a table that fits the terminal unless asked otherwise."""
    click.echo(render(frame, form or "table", width=text_width()))


def text_width() -> int | None:
    """Characters in a line; None for those of the terminal, where there is one."""
    return None if sys.stdout.isatty() else 200


def parse_architectures(family: str, knob_values: Sequence[str]) -> list[Architecture]:
    """The architectures meant by 'knob=value' arguments; 'knob=16|32' stands for several.

    Values are read as in a sweep file. Raises ValueError with one line a fault.
    """
    names, alternatives = [], []
    for text in knob_values:
        name, equals, values = text.partition("=")
        if not equals:
            raise ValueError(f"{text}: must read knob=value, such as n_feats=32")
        if name in names:
            raise ValueError(f"{text}: {name} is given twice; alternatives read {name}=16|32")
        names.append(name)
        alternatives.append([read_value(text, value) for value in values.split("|")])
    return [
        architecture(family, dict(zip(names, chosen, strict=True)))
        for chosen in itertools.product(*alternatives)
    ]


def read_value(text: str, value: str) -> Any:
    """`value` as in a sweep file; ValueError in one line that begins with `text`, where it stands."""
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"{text}: {value!r} is no value; write a list as [0,1,2]") from None


def parts(text: str | None) -> list[str]:
    """What stands between the commas of an option; nothing where it is not given."""
    return [] if text is None else [part.strip() for part in text.split(",")]


def positive(option: str, text: str, parse: Callable[[str], float] = parse_quantity) -> float:
    """The number above 0 that an option holds; ValueError with the option's name."""
    try:
        value = parse(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    if value <= 0:
        raise ValueError(f"{option}: must be above 0, got {text.strip()}")
    return value


def in_folder(option: str, file: Path) -> None:
    """ValueError where the folder that `option` wants a file in is not there: told before the work, not after."""
    if not file.parent.is_dir():
        raise ValueError(
            f"{option}: there is no folder {file.parent}; make it first, or name another"
        )


def parse_architecture(family: str, knob_values: Sequence[str]) -> Architecture:
    """As `parse_architectures` where there must be exactly one."""
    found = parse_architectures(family, knob_values)
    if len(found) != 1:
        raise ValueError(f"{family}: must be one architecture, got {len(found)}")
    return found[0]
