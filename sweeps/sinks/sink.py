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

    `write` gets whole trials, as the database stores them, and gets a trial again after each change. A sink adds what
    its copy lacks, and adds nothing twice. It must keep this promise even if an earlier process was killed while it
    wrote the copy. An exception ends only this sink, and only for the current run of the sweep. All methods are called
    from one thread.
    """

    def __init__(self, target: str, subject: Subject) -> None:
        """Prepares a sink that writes to `target`, which is the value in the sweep file."""

    def write(self, rows: Sequence[TrialRow]) -> None:
        """Adds the records of these trials that the copy lacks."""

    def close(self) -> None:
        """Releases files and connections. Afterwards, other programs can read everything that was written."""


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
