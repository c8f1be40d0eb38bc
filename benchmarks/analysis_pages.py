"""How long the report and the dashboard take on many trials, beside Optuna's own plot of the same trials.

    python -m benchmarks.analysis_pages --folder /tmp/pages -o benchmarks/analysis_pages_HARDWARE_DATE.csv

makes two databases of invented trials in the folder (10,000 and 100,000) unless they are there, and writes
wall-clock and processor seconds: on a machine that others use too, only the latter say what the code takes. Every
measurement runs in a process of its own; imports are not counted, everything after them is.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.synthetic import fill
from sweeps.latency import device_model

SIZES = {"report": 10_000, "dashboard": 100_000, "optuna": 100_000}
EVALUATIONS = 4
MOST_SECONDS = 600


def report(url: str) -> int:
    from analysis.report import report_page

    return len(report_page(url).encode())


def dashboard(url: str) -> int:
    """The dashboard's first figure, as it goes to the browser, from a cold start."""
    from analysis.live import load_live, pareto_figure

    return len(json.dumps(pareto_figure(load_live(url, "synthetic"), "params")))


def optuna(url: str) -> int:
    """optuna.visualization's plot of a study that is in memory already: reading it is not counted."""
    import optuna

    from analysis.load_points import load_points

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    points = load_points(url, "synthetic", ["psnr_y", "params"])
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials(
        [
            optuna.trial.create_trial(values=[psnr, params])
            for psnr, params in zip(points["psnr_y"], points["params"], strict=True)
        ]
    )
    started()
    return len(optuna.visualization.plot_pareto_front(study).to_json())


_clock = [0.0, 0.0]


def started() -> None:
    """The measurement begins here."""
    _clock[:] = [time.perf_counter(), time.process_time()]


def measure_here(what: str, url: str) -> None:
    """Print seconds, processor seconds and bytes of one measurement."""
    import analysis.live
    import analysis.report  # noqa: F401 - imported before the clock starts

    started()
    size = {"report": report, "dashboard": dashboard, "optuna": optuna}[what](url)
    seconds, busy = time.perf_counter() - _clock[0], time.process_time() - _clock[1]
    print(json.dumps({"seconds": round(seconds, 3), "cpu_seconds": round(busy, 3), "bytes": size}))


def measure(what: str, url: str) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.analysis_pages", "--measure", what, "--url", url]
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=MOST_SECONDS)
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = {"seconds": f"more than {MOST_SECONDS}"}
    return {
        "what": what,
        "trials": SIZES[what],
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
    parser.add_argument("--folder", type=Path, default=Path("/tmp/pages"))
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--measure", choices=SIZES)
    parser.add_argument("--url")
    given = parser.parse_args()
    if given.measure:
        measure_here(given.measure, given.url)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for what, trials in SIZES.items():
        path = given.folder / f"{trials}.db"
        if not path.exists():
            fill(f"sqlite:///{path}", trials, EVALUATIONS)
        rows.append(measure(what, f"sqlite:///{path}"))
        print(rows[-1])
    with given.output.open("w", newline="") as file:
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(file, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
