"""Where the numbers of benchmarks are: runs that git ignores, and adopted results that the pages quote.

A benchmark writes into RUNS. `python -m benchmarks.adopt FILE` moves a file from there into the results, which are
tracked. This module imports nothing but the standard library, because some scripts run in environments without srsweep.
"""

import os
from pathlib import Path

HERE = Path(__file__).parent
ELSEWHERE = "SRSWEEP_BENCHMARK_RUNS"
"""Environment variable that names another folder for the files of benchmarks."""
RUNS = Path(os.environ.get(ELSEWHERE) or HERE / "runs")
"""Runs of anybody, which git ignores."""
RESULTS = HERE / "results"
"""Adopted runs. The tables in benchmarks/README.md are made of them."""
SEARCH_RUNS = RUNS / "search"
SEARCH_RESULTS = HERE / "search" / "results"
"""Adopted results of benchmarks/search."""


def known_at(name: str) -> Path:
    """Returns the path of a file of benchmarks/search: the user's own copy if it exists, otherwise the copy in the repository."""
    own = SEARCH_RUNS / name
    return own if own.exists() else SEARCH_RESULTS / name


def own_at(name: str) -> Path:
    """Returns the path to which a file of benchmarks/search is written. Makes its folder."""
    path = SEARCH_RUNS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def unused(folder: Path, stem: str) -> Path:
    """Returns the path of a new CSV file. The name of the second file of a day ends in '-2'."""
    path, number = folder / f"{stem}.csv", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.csv"
    return path
