"""Writes the numbers of a benchmark to one CSV file per run, in benchmarks/runs.

The name of the file holds the benchmark, the hardware, the version of torch and the date.
"""

import csv
import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

import torch

from benchmarks.folders import RUNS, unused
from sweeps.machine import num_cores
from sweeps.store.provenance import git_state
from sweeps.train.segment import device_name
from sweeps.train.settings import TrainSettings


class Record:
    """The rows of one run of a benchmark, which go to a new CSV file.

    Each row is written as soon as it is added, so an interrupted run keeps its rows. Every row also holds the settings
    of the run, the version of Python, the commit, and the load average of the machine over the last minute. The first
    row creates the file, so two runs that start at the same time write to two files.
    """

    def __init__(self, name: str, **settings: object) -> None:
        self.rows: list[dict[str, str]] = []
        self.name = name
        self.path = _unused(name)
        """The file of the run. Before the first row, it is the file that the run would create now."""
        self.run = {
            "settings": " ".join(f"{key}={value}" for key, value in settings.items()),
            "python": platform.python_version(),
            "commit": commit(),
        }

    def resume(self, path: Path) -> list[dict[str, str]]:
        """Continues an interrupted run, whose file is `path`. Returns the rows that it has."""
        with path.open(newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.path = path
        return self.rows

    def add(self, **row: object) -> None:
        """Writes one row. All rows of a run must have the same keys."""
        whole = {**row, "load": round(os.getloadavg()[0], 2), **self.run}
        self.rows.append({key: str(value) for key, value in whole.items()})
        first = len(self.rows) == 1
        if first:
            self.path = _created(self.name)
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            if first:
                writer.writeheader()
            writer.writerow(self.rows[-1])


def _created(name: str) -> Path:
    """Creates an empty file with today's date and returns its path."""
    RUNS.mkdir(parents=True, exist_ok=True)
    while True:
        path = _unused(name)
        try:
            path.touch(exist_ok=False)
        except FileExistsError:  # another run has just created it
            continue
        return path


def _unused(name: str) -> Path:
    """Returns an unused path with today's date. The name of the second file of a day ends in '-2'."""
    version = torch.__version__.partition("+")[0]
    stem = f"{name}_{hardware()}_torch-{version}_{datetime.datetime.now(datetime.UTC).date()}"
    return unused(RUNS, stem)


def hardware() -> str:
    """Returns the processor or GPU, the number of cores and their widest instructions, spelled for a file name.

    Virtual machines call different processors by one name, and the widest instructions decide how fast they train.
    """
    name = re.sub(r"[^a-z0-9]+", "-", device_name(TrainSettings()).lower()).strip("-")
    matrices = torch.cpu._is_amx_tile_supported()
    instructions = "amx" if matrices else torch.backends.cpu.get_cpu_capability().lower()
    return f"{name}-{num_cores()}-cores-{instructions}"


def commit() -> str:
    """Returns the first 8 digits of the commit, followed by '+' if the code has changed since.

    Returns '' outside a checkout.
    """
    sha, differs = git_state()
    if not differs:
        return sha[:8]
    # Results of earlier runs and Markdown pages do not count as code.
    command = ["git", "status", "--porcelain", "--", ":/"]
    command += [f":(top,exclude){pattern}" for pattern in ("*.csv", "*.md", "results.db")]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    return sha[:8] + "+" * bool(done.stdout.strip())
