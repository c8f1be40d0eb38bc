"""Measures how long the report, the dashboard and Optuna's plot take with the same large number of trials.

    python -m benchmarks.analysis_pages --folder /tmp/pages -o benchmarks/runs/analysis_pages_HARDWARE_DATE.csv

The command makes two databases of invented trials in the folder (10,000 and 100,000 trials) unless they exist. It
records wall-clock and processor seconds. On a busy machine only the processor seconds are meaningful. Every measurement
runs in a new process. `report, whole command` counts everything from the start of Python to the file on disk. The other
measurements start after the imports.
"""

import argparse
import csv
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.synthetic import add_trials, fill
from sweeps.device import device_model

SWEEP = "synthetic"
FEW, MANY = 10_000, 100_000
EVALUATIONS = 4
MOST_SECONDS = 600
"""Time limit of one measurement, in seconds."""


def page(url: str) -> int:
    from analysis.pages.report import report_page

    return len(report_page(url).encode())


def first_figure(url: str) -> int:
    """Loads the sweep and makes the first figure of the dashboard. Returns the size of the figure in bytes."""
    from analysis.pages.live import live_pareto, load_live

    return _size(live_pareto(load_live(url, SWEEP), "params").figure)


def one_more(view: str) -> Callable[[str], int]:
    """Returns a function that adds one complete trial and then updates the dashboard with `view` open."""

    def tick(url: str) -> int:
        from analysis.pages.live import front_rows, live_cards, live_pareto, load_live, sentence

        def draw() -> int:
            size = _size(live_pareto(live, "params").figure) + len(sentence(live))
            if view == "front":
                return size + len(front_rows(live).to_json())
            return size + sum(_size(card.figure) for card in live_cards(live, view)[0])

        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(url.removeprefix("sqlite:///"), folder)
            live = load_live(f"sqlite:///{copy}", SWEEP)
            draw()
            add_trials(f"sqlite:///{copy}", 1, EVALUATIONS)
            started()
            live = load_live(f"sqlite:///{copy}", SWEEP, live)
            size = draw()
            stopped()
        return size

    return tick


def no_news(url: str) -> int:
    """Updates the dashboard when nothing has changed."""
    from analysis.pages.live import load_live

    live = load_live(url, SWEEP)
    started()
    assert load_live(url, SWEEP, live) is live
    return 0


def table(url: str) -> int:
    """Sorts, filters and searches the table of all trials. The page has already shown its first rows."""
    from analysis.pages.live import load_live
    from analysis.pages.trial_blocks import table_block

    live = load_live(url, SWEEP)
    table_block(live, {"startRow": 0, "endRow": 100})
    started()
    request = {
        "startRow": 0,
        "endRow": 100,
        "sortModel": [{"colId": "c3", "sort": "desc"}],
        "filterModel": {"c4": {"filter": "<1M"}},
    }
    return _size(table_block(live, request, "complete"))


def selection(url: str) -> int:
    """Compares six selected trials, as the page does after a box has selected them."""
    from analysis.pages.side_by_side import compared

    found = compared(url, [f"{SWEEP}#{number}" for number in range(0, 60, 10)])
    assert found is not None
    return len(repr(found))


def limits(url: str) -> int:
    """Finds the best network within limits, after a slider was moved."""
    from analysis.pages.limits import best_inside
    from analysis.pages.live import load_live

    live = load_live(url, SWEEP)
    best_inside(live, {})
    started()
    return len(best_inside(live, {"params": 50_000.0}).text)


def optuna(url: str) -> int:
    """Draws optuna.visualization's plot of a study in memory. The time to read the trials is not counted."""
    import optuna

    from analysis.read.points import load_points

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    points = load_points(url, SWEEP, ["psnr_y", "params"])
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials(
        [
            optuna.trial.create_trial(values=[psnr, params])
            for psnr, params in zip(points["psnr_y"], points["params"], strict=True)
        ]
    )
    started()
    return len(optuna.visualization.plot_pareto_front(study).to_json())


MEASURES: dict[str, tuple[int, Callable[[str], int]]] = {
    "report, page": (FEW, page),
    "dashboard, first figure": (MANY, first_figure),
    "dashboard, no news": (MANY, no_news),
    "dashboard, one more trial, front": (MANY, one_more("front")),
    "dashboard, one more trial, knobs": (MANY, one_more("knobs")),
    "dashboard, one more trial, training": (MANY, one_more("training")),
    "dashboard, table sorted, filtered and searched": (MANY, table),
    "dashboard, six trials selected": (MANY, selection),
    "dashboard, limit moved": (MANY, limits),
    "optuna.visualization, front": (MANY, optuna),
}
WHOLE = "report, whole command"

_clock: list[tuple[float, float]] = []


def started() -> None:
    """Starts the clock, or restarts it if it already runs."""
    _clock[:] = [(time.perf_counter(), time.process_time())]


def stopped() -> None:
    """Stops the clock unless it is already stopped."""
    if len(_clock) == 1:
        _clock.append((time.perf_counter(), time.process_time()))


def measure_here(what: str, url: str) -> None:
    """Prints the seconds, processor seconds and bytes of one measurement as JSON."""
    import analysis.pages.live
    import analysis.pages.report  # noqa: F401 - imported before the clock starts

    started()
    size = MEASURES[what][1](url)
    stopped()
    (began, busy_began), (ended, busy_ended) = _clock
    print(_result(ended - began, busy_ended - busy_began, size))


def measure_command(url: str) -> None:
    """Prints the seconds, processor seconds and bytes of the command `srsweep report` as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        command = [sys.executable, "-m", "srsweep", "report", SWEEP, "--db", url, "-o", str(path)]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = time.perf_counter() - began
        print(_result(seconds, used.ru_utime + used.ru_stime, path.stat().st_size))


def _result(seconds: float, busy: float, size: int) -> str:
    return json.dumps({"seconds": round(seconds, 3), "cpu_seconds": round(busy, 3), "bytes": size})


def _size(figure: object) -> int:
    return len(json.dumps(figure))


def measure(what: str, trials: int, url: str) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.analysis_pages", "--measure", what, "--url", url]
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=MOST_SECONDS)
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = {"seconds": f"more than {MOST_SECONDS}"}
    return {
        "what": what,
        "trials": trials,
        **found,
        "load_average": round(load, 1),
        "processor": device_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "optuna": version("optuna"),
        "pandas": version("pandas"),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("/tmp/pages"), help="folder of the databases"
    )
    parser.add_argument("-o", "--output", type=Path, help="CSV file to write")
    parser.add_argument(
        "--measure", choices=[WHOLE, *MEASURES], help="run only this measurement, in this process"
    )
    parser.add_argument("--url", help="URL of the database for --measure")
    given = parser.parse_args()
    if given.measure == WHOLE:
        measure_command(given.url)
    elif given.measure:
        measure_here(given.measure, given.url)
    else:
        if given.output is None:
            parser.error("-o: name the CSV file to write")
        measure_all(given.folder, given.output)


def measure_all(folder: Path, output: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for what, trials in {
        WHOLE: FEW,
        **{name: size for name, (size, _) in MEASURES.items()},
    }.items():
        path = folder / f"{trials}.db"
        if not path.exists():
            fill(f"sqlite:///{path}", trials, EVALUATIONS)
        rows.append(measure(what, trials, f"sqlite:///{path}"))
        print(rows[-1])
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", newline="") as file:
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(file, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
