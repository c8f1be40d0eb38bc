"""A tabulated space: learning curves of real trainings (made by make_table.py), and how a search is scored on them."""

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
COSTS = ("params", "multadds")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One architecture of a table."""

    key: str
    costs: tuple[float, ...]
    curve: Mapping[int, float]
    """Step -> PSNR [dB]; empty where the training diverged."""


@dataclass(frozen=True, kw_only=True)
class Tabulated(Constraint):
    """Whether an architecture is in the table: one that was stopped early holds a random part of its space."""

    keys: frozenset[str]

    def holds(self, architecture: Architecture, scale: int) -> bool:
        return architecture.key in self.keys


class Curves:
    """A table: its sweep file, its entries by key, the hypervolume of what a search has found."""

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
        """Every architecture of the table by key."""
        return {a.key: a for a in self.config.space.architectures if a.key in self.entries}

    def points(self, keys: list[str]) -> NDArray[np.float64]:
        """(N, 3): logarithms of the costs within [0, 1], and PSNR over bicubic [dB], negated."""
        chosen = [self.entries[key] for key in keys]
        logs = np.log(np.array([entry.costs for entry in chosen]).reshape(-1, len(COSTS)))
        gains = [entry.curve.get(self.steps, self.bicubic) - self.bicubic for entry in chosen]
        return np.column_stack([(logs - self.low) / (self.high - self.low), np.negative(gains)])

    @cached_property
    def reference(self) -> moocore.Hypervolume:
        """Hypervolume over bicubic's PSNR, up to 2 % beyond the largest cost on a logarithmic axis."""
        return moocore.Hypervolume(ref=[1.02, 1.02, 0.0])

    @cached_property
    def whole(self) -> float:
        """The hypervolume of all architectures of the table."""
        return float(self.reference(self.points(list(self.entries))))

    def hypervolume(self, keys: list[str]) -> float:
        """Share of the whole table's hypervolume that these fully trained architectures dominate."""
        return float(self.reference(self.points(keys))) / self.whole if keys else 0.0

    def with_search(self, **search: object) -> SweepConfig:
        """The table's sweep with other search settings."""
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
