"""Defines a sink: a place outside the database that gets the records of a sweep's trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from searchspace.errors import UserError
from sweeps.records import TrialRow
from sweeps.sinks.table import SINKS


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The sweep whose trials a sink gets."""

    name: str
    scale: int
    objectives: Mapping[str, str]
    """Directions by objective, 'maximize' or 'minimize'."""


class Sink(Protocol):
    """A copy of a sweep's records for another program.

    `write` gets complete trials, as the database stores them, and gets a trial again whenever it has changed. A sink
    adds what its copy lacks, and adds nothing twice. This also holds if an earlier process that wrote the copy was
    killed at any moment. An exception ends only this sink, for the current run of the sweep. All methods are called
    from one thread.
    """

    def __init__(self, target: str, subject: Subject) -> None:
        """Prepares a sink that writes to `target`, the value in the sweep file."""

    def write(self, rows: Sequence[TrialRow]) -> None:
        """Adds the records of these trials that the copy lacks."""

    def close(self) -> None:
        """Releases files and connections. After this, other programs can read everything that was written."""


def sink_class(name: str) -> type[Sink]:
    """Imports the class of the sink `name`. Raises UserError if its package is not installed."""
    entry = SINKS[name]
    module, _, class_ = entry.place.partition(":")
    try:
        found: type[Sink] = getattr(import_module(module), class_)
    except ModuleNotFoundError:
        raise UserError(
            f"log.{name}: {entry.package} is not installed; `pip install 'srsweep[{name}]'`"
        ) from None
    return found


def check_sinks(log: Mapping[str, str]) -> None:
    """Raises UserError if the package of a sink in `log` is not installed."""
    for name in log:
        sink_class(name)
