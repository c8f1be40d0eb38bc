"""Defines where the numbers of benchmarks are stored: runs that git ignores, and adopted results that the pages quote.

A benchmark writes into RUNS. `python -m benchmarks.adopt FILE` moves a file from there into the results, which git
tracks. This module imports only the standard library, because some scripts run in environments without srsweep.
"""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
ELSEWHERE = "SRSWEEP_BENCHMARK_RUNS"
"""Environment variable with a folder that replaces the default folder of runs."""
RUNS = Path(os.environ.get(ELSEWHERE) or HERE / "runs")
"""Runs that have not been adopted. git ignores them."""
RESULTS = HERE / "results"
"""Adopted runs. The tables in benchmarks/README.md are made from them."""
SEARCH_RUNS = RUNS / "search"
SEARCH_RESULTS = HERE / "search" / "results"
"""Adopted results of benchmarks/search."""


def known_at(name: str) -> Path:
    """Returns the path of a file of benchmarks/search: the user's own copy if it exists, otherwise the copy in the repository."""
    own = SEARCH_RUNS / name
    return own if own.exists() else SEARCH_RESULTS / name


def own_at(name: str) -> Path:
    """Creates the user's own folder for files of benchmarks/search, and returns the path of the file in it."""
    path = SEARCH_RUNS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes `rows`, at least one and all with the same keys, to a CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def shown(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """Prints each of the `rows` as soon as it is known, and returns them all."""
    found = []
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        found.append(row)
    return found


def unused(folder: Path, stem: str) -> Path:
    """Returns an unused path for a CSV file. The name of the second file of a day ends in '-2'."""
    path, number = folder / f"{stem}.csv", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.csv"
    return path
