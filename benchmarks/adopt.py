"""Moves runs of benchmarks from benchmarks/runs, which git ignores, into the tracked results.

    python -m benchmarks.adopt benchmarks/runs/training_CPU_torch-2.13.0_2026-11-26.csv

Then the tables in benchmarks/README.md are rebuilt. If the results already have a file of the same name, the run gets
the next free number. Files of benchmarks/runs/search replace files of the same name in benchmarks/search/results.
"""

import argparse
import re
import sys
from pathlib import Path

from benchmarks import folders, table

NAME = re.compile(r"(?P<stem>[a-z0-9-]+_[a-z0-9-]+_torch-[^_]+_\d{4}-\d{2}-\d{2})(-\d+)?\.csv")
"""Matches the names that `benchmarks.record` gives to files: benchmark, hardware, version of torch, date and number."""


class NotAdopted(Exception):  # noqa: N818 - reads as what happened
    """Raised for a file that cannot become a result. The message is one line."""


def adopt(path: Path) -> Path:
    """Moves one file into the results and returns its new path. Raises NotAdopted if it is not a run of a benchmark."""
    if not path.is_file():
        raise NotAdopted(f"{path}: no such file")
    inside = path.resolve()
    if inside.is_relative_to(folders.SEARCH_RUNS.resolve()):
        target = folders.SEARCH_RESULTS / inside.relative_to(folders.SEARCH_RUNS.resolve())
    else:
        target = _result_of(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(target)


def _result_of(path: Path) -> Path:
    """Returns the path that a run gets among the results. Raises NotAdopted if the tables cannot use the run."""
    if path.name.startswith("analysis_") and path.suffix == ".csv":
        return folders.HERE / path.name  # benchmarks/README.md quotes these by hand
    named = NAME.fullmatch(path.name)
    if named is None:
        raise NotAdopted(
            f"{path}: must be named BENCHMARK_HARDWARE_torch-VERSION_DATE.csv, as benchmarks name their runs"
        )
    name = path.name.partition("_")[0]
    if name not in table.READERS:
        known = ", ".join(table.READERS)
        raise NotAdopted(f"{path}: benchmark must be one of {known}, got {name}")
    try:
        rows = table.read(path)
        list(table.READERS[name](rows))
        table.source(path, rows)
    except (ValueError, KeyError, IndexError, TypeError, StopIteration, RuntimeError) as error:
        raise NotAdopted(
            f"{path}: the table cannot be made from these rows ({type(error).__name__}: {error}); was the run "
            "interrupted?"
        ) from None
    return folders.unused(folders.RESULTS, named["stem"])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="files in benchmarks/runs")
    given = parser.parse_args()
    try:
        for path in given.files:
            print(adopt(path))
    except NotAdopted as error:
        print(error, file=sys.stderr)
        return 2
    table.write_page()
    print(table.PAGE)
    if any(path.name == "summary.csv" for path in given.files):
        print("docs/search.md quotes summary.csv: correct its shares of steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
