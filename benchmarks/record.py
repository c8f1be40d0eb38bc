"""Where a benchmark's numbers go: CSV files named by what was measured, hardware, torch version and date."""

import csv
import datetime
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

import torch

from sweeps.provenance import git_state
from sweeps.train import TrainSettings
from sweeps.trial import device_name

RESULTS = Path(__file__).parent / "results"


def hardware() -> str:
    """The processor or GPU and the number of cores, fit for a file name."""
    name = re.sub(r"[^a-z0-9]+", "-", device_name(TrainSettings()).lower()).strip("-")
    return f"{name}-{os.cpu_count()}-cores"


def commit() -> str:
    """The commit that is measured, with a + where files differ from it; empty outside a checkout."""
    sha, dirty = git_state()
    return sha[:8] + "+" * dirty


def write(name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write `rows`, all with the same keys, and return the file; a second run on one day replaces the first."""
    version = torch.__version__.partition("+")[0]
    day = datetime.datetime.now(datetime.UTC).date()
    path = RESULTS / f"{name}_{hardware()}_torch-{version}_{day}.csv"
    path.parent.mkdir(exist_ok=True)
    common = {
        "python": platform.python_version(),
        "load": round(os.getloadavg()[1], 2),
        "commit": commit(),
    }
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *common])
        writer.writeheader()
        writer.writerows({**row, **common} for row in rows)
    print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return path


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; all the same of a single value."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return lower, median(values), upper


def ratios(slow: Sequence[float], fast: Sequence[float]) -> str:
    """'6.1x (5.8 to 6.4)': median and quartiles of pairs measured one right after the other."""
    if len(slow) == 1:
        return f"{fast[0] / slow[0]:.2f}x (one round)"
    lower, middle, upper = spread([f / s for s, f in zip(slow, fast, strict=True)])
    return f"{middle:.2f}x ({lower:.2f} to {upper:.2f})"
