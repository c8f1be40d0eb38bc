"""Reads a table that make_table.py made from real trainings, and scores searches on this table."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import moocore
import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from sweeps.config.sweep_config import SweepConfig, read_config

TABLES = Path(__file__).parent / "tables"


def table_names() -> list[str]:
    """Returns the names of all complete tables in alphabetical order.

    `make_table.py` is still adding rows to an incomplete table, so a benchmark replays it only if it is named.
    """
    return sorted(path.stem for path in TABLES.glob("*.csv") if _is_complete(path))


def _is_complete(path: Path) -> bool:
    """Returns whether a table has a row for each architecture of its space."""
    with path.open(newline="") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    return rows >= len(read_config(path.with_suffix(".yaml")).space)


COSTS = ("params", "multadds")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One architecture of a table."""

    key: str
    costs: tuple[float, ...]
    curve: Mapping[int, float]
    """PSNR [dB] by step. Empty if the training diverged."""


@dataclass(frozen=True, kw_only=True)
class Tabulated(Constraint):
    """The constraint that an architecture is in the table. A table may hold only a random part of its space."""

    keys: frozenset[str]
    """Keys of the architectures in the table."""

    def holds(self, architecture: Architecture, scale: int) -> bool:
        return architecture.key in self.keys


class Curves:
    """A table: its sweep file, its architectures by key, and the hypervolume of networks that a search has trained."""

    def __init__(self, name: str, folder: Path = TABLES) -> None:
        self.name = name
        self.config: SweepConfig = read_config(folder / f"{name}.yaml")
        facts = json.loads((folder / f"{name}.json").read_text())
        self.bicubic = float(facts["validation_bicubic_psnr_y"])
        with (folder / f"{name}.csv").open(newline="") as file:
            entries = [_entry(row) for row in csv.DictReader(file)]
        self.entries = {entry.key: entry for entry in entries}
        only = Tabulated(
            name="memory", comparison="<=", limit=math.inf, keys=frozenset(self.entries)
        )
        self.config = self.config.model_copy(update={"limits": (only,)})
        self.steps = self.config.train.steps
        logs = np.log([entry.costs for entry in entries])
        self.low, self.high = logs.min(0), logs.max(0)

    @cached_property
    def architectures(self) -> dict[str, Architecture]:
        """The architectures of the table, by key."""
        return {a.key: a for a in self.config.space.architectures if a.key in self.entries}

    def points(self, keys: list[str]) -> NDArray[np.float64]:
        """Returns (N, 3) points: the logarithms of both costs, scaled to [0, 1], and minus the gain over bicubic [dB]."""
        chosen = [self.entries[key] for key in keys]
        logs = np.log(np.array([entry.costs for entry in chosen]).reshape(-1, len(COSTS)))
        gains = [entry.curve.get(self.steps, self.bicubic) - self.bicubic for entry in chosen]
        return np.column_stack([(logs - self.low) / (self.high - self.low), np.negative(gains)])

    @cached_property
    def reference(self) -> moocore.Hypervolume:
        """The function that computes hypervolumes. Its reference point is bicubic's PSNR and 1.02 on both cost axes."""
        return moocore.Hypervolume(ref=[1.02, 1.02, 0.0])

    @cached_property
    def whole(self) -> float:
        """The hypervolume of all architectures in the table."""
        return float(self.reference(self.points(list(self.entries))))

    def hypervolume(self, keys: list[str]) -> float:
        """Returns the hypervolume of these architectures, fully trained, as a share of the hypervolume of the table."""
        return float(self.reference(self.points(keys))) / self.whole if keys else 0.0

    def with_search(self, **search: object) -> SweepConfig:
        """Returns the sweep of the table with other search settings."""
        settings = self.config.search.model_validate(search)
        return self.config.model_copy(update={"search": settings})


def _entry(row: dict[str, str]) -> Entry:
    curve = {
        int(name.removeprefix("psnr_")): float(value)
        for name, value in row.items()
        if name.startswith("psnr_") and value
    }
    failed = bool(row["error"])
    return Entry(
        key=row["key"],
        costs=tuple(float(row[name]) for name in COSTS),
        curve={} if failed else curve,
    )
