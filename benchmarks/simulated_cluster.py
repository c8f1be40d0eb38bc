"""Simulates a cluster of 64 workers and a sweep of thousands of trials, to find the load at which the driver saturates.

    python -m benchmarks.simulated_cluster --trials 10000 --samplers random
    python -m benchmarks.simulated_cluster --trials 2000 --samplers random,tpe

These parts are real: the driver's decisions (`sweeps.engine.sweep`), the search, the costs of each network, and the
database with its lease, an SQLite file on disk. The clock, the workers and the training runs are simulated. A training
run only waits and invents a PSNR. Ray is left out; `benchmarks.driver_overhead` measures the overhead of a trial with
Ray.

The simulated clock jumps from event to event. The driver is a single server: each time it decides or stores, the clock
advances by the processor time that it really used, and all messages of workers wait meanwhile. Processor time hardly
depends on the load of the machine, but leaves out the driver's waits for the disk. The column wall_ms includes these
waits. In the middle of the sweep, half of the workers disappear for ten minutes. Their trials continue from the last
evaluation. At the end, the driver restarts from the database.

Each sampler runs in a new process. Each row of the CSV file describes a tenth of the sweep.
"""

import argparse
import heapq
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event

from benchmarks import table
from benchmarks.driver_overhead import KNOBS, OBJECTIVES, quality
from benchmarks.record import Record
from searchspace.cost import counted_once
from sweeps.config.sweep_config import SweepConfig, parse_config
from sweeps.engine.sweep import Sweep
from sweeps.records import VALIDATION, Evaluation, Measurement, Outcome
from sweeps.store.store import Store
from sweeps.train.segment import Segment

STEPS, EVALUATIONS = 4_000, 4
"""Optimiser steps of a trial, and its number of evaluations."""
SPREAD = 0.3
"""Standard deviation of the logarithm of a trial's duration."""
AWAY = 600.0
"""Seconds for which half of the workers are away."""
PARTS = 10
T = TypeVar("T")


@dataclass
class Worker:
    """A machine of the simulated cluster, and the segment that it trains."""

    segment: Segment | None = None
    life: int = 0
    """Number of times that the worker was lost. Messages from an earlier life are ignored."""


@dataclass
class Spent:
    """The time and the database operations that the driver used since the last row."""

    decide: list[float] = field(default_factory=list)
    store: list[float] = field(default_factory=list)
    wall: float = 0.0
    """Seconds of the driver's decisions and writes, waits included."""
    transactions: int = 0
    statements: int = 0
    busy: float = 0.0
    """Seconds of training of all workers."""
    began: float = 0.0


class Cluster:
    """The simulated cluster, and the driver of one sweep."""

    def __init__(self, config: SweepConfig, workers: int, seconds: float) -> None:
        self.store = Store(config.storage)
        self.spent = Spent()
        event.listen(self.store.engine, "commit", self._committed)
        event.listen(self.store.engine, "before_cursor_execute", self._executed)
        self.sweep = Sweep(config, self.store, holder="simulation")
        self.workers = [Worker() for _ in range(workers)]
        self.away: set[int] = set()
        self.seconds, self.random, self.now = seconds, random.Random(0), 0.0
        self.events: list[tuple[float, int, int, int, int]] = []
        """The events to come: time, order, worker, the worker's life, and the step that the worker reports."""
        self.order = 0
        self.pace: dict[int, float] = {}
        """Seconds of a step, by the number of the trial."""
        self.recovered = math.nan
        """Simulated seconds from the loss of the workers until every interrupted trial trains again."""
        self.loss_seconds = math.nan
        """Processor seconds of the driver for storing the interrupted attempts."""

    def _committed(self, *_: object) -> None:
        self.spent.transactions += 1

    def _executed(self, *_: object) -> None:
        self.spent.statements += 1

    def run(self, trials: int) -> Iterator[dict[str, object]]:
        """Runs the sweep to its end. Yields a row for each tenth of the trials."""
        lost: set[int] = set()
        back = lost_at = math.inf
        finished = reported = 0
        while True:
            self._hand_out()
            if lost and lost <= self.sweep.running.keys() | {
                n for n, t in self.sweep.trials.items() if t.is_finished
            }:
                self.recovered, lost = self.now - lost_at, set()
            if not self.events:
                break
            if self.now >= back:
                self.away.clear()
                back = math.inf
            time_, _, worker, life, step = heapq.heappop(self.events)
            self.now = max(self.now, time_)
            if self.workers[worker].life != life:
                continue
            finished += self._report(worker, step)
            if finished == trials // 2 and lost_at == math.inf:
                lost, lost_at, back = self._lose_half(), self.now, self.now + AWAY
            if finished * PARTS // trials > reported:
                reported = finished * PARTS // trials
                yield self._row(finished, trials)
        assert self.sweep.done, "the simulated workers wait for ever"
        assert finished == trials, (finished, trials)

    def _hand_out(self) -> None:
        """Gives each free worker a segment, until the sweep has no more."""
        for number, worker in enumerate(self.workers):
            if worker.segment is not None or number in self.away:
                continue
            segment = self._timed(self.spent.decide, self.sweep.next_segment)
            if segment is None:
                return
            worker.segment = segment
            drawn = self.seconds * math.exp(self.random.gauss(0, SPREAD)) / STEPS
            pace = self.pace.setdefault(segment.number, drawn)
            before = self.sweep.trials[segment.number].step
            for index in range(1, EVALUATIONS + 1):
                step = STEPS * index // EVALUATIONS
                if step > before:
                    self.order += 1
                    at = self.now + pace * (step - before)
                    heapq.heappush(self.events, (at, self.order, number, worker.life, step))

    def _report(self, number: int, step: int) -> bool:
        """Passes an evaluation to the sweep.

        After the last evaluation, passes the outcome too. Returns whether the trial is complete.
        """
        worker = self.workers[number]
        segment = worker.segment
        assert segment is not None
        knobs = dict(part.split("=") for part in segment.label.split()[1:])
        psnr = quality({"n_feats": 32} | knobs) - 1 / step
        values = {"psnr_y": psnr, "ssim_y": 0.5, "seconds": self.pace[segment.number] * step}
        records: list[Any] = [
            Evaluation(
                step=step,
                measurements=tuple(
                    Measurement(step=step, dataset=VALIDATION, name=name, value=value)
                    for name, value in values.items()
                ),
            )
        ]
        self.spent.busy += self.pace[segment.number] * STEPS / EVALUATIONS
        last = step == STEPS
        if last:
            worker.segment = None
            records.append(Outcome(step=step, seconds=values["seconds"], host=f"worker-{number}"))
        self._timed(self.spent.store, lambda: self.sweep.handle(segment, *records))
        return last

    def _lose_half(self) -> set[int]:
        """Loses half of the workers and returns the numbers of the trials that they trained."""
        lost: set[int] = set()
        began: list[float] = []
        for number in range(0, len(self.workers), 2):
            worker = self.workers[number]
            worker.life += 1
            self.away.add(number)
            segment, worker.segment = worker.segment, None
            if segment is not None:
                lost.add(segment.number)
                gone = Outcome(step=0, interrupted=True)
                self._timed(began, lambda s=segment, o=gone: self.sweep.handle(s, o))  # type: ignore[misc]
        self.loss_seconds = sum(began)
        self.spent.store += began
        return lost

    def _timed(self, into: list[float], work: Callable[[], T]) -> T:
        """Calls `work` and returns its result. Advances the simulated clock by the processor time of the call."""
        began, used = time.perf_counter(), time.process_time()
        result = work()
        into.append(time.process_time() - used)
        self.spent.wall += time.perf_counter() - began
        self.now += into[-1]
        return result

    def _row(self, finished: int, trials: int) -> dict[str, object]:
        spent, self.spent = self.spent, Spent(began=self.now)
        number = trials / PARTS
        driver = sum(spent.decide) + sum(spent.store)
        elapsed = self.now - spent.began
        return {
            "finished": finished,
            "driver_ms": 1e3 * driver / number,
            "wall_ms": 1e3 * spent.wall / number,
            "suggest_ms": 1e3 * statistics.median(spent.decide or [0]),
            "store_ms": 1e3 * statistics.median(spent.store or [0]),
            "transactions": spent.transactions / number,
            "statements": spent.statements / number,
            "writes_per_second": spent.transactions / elapsed,
            "workers_busy": spent.busy / (len(self.workers) * elapsed),
            "driver_busy": driver / elapsed,
            "memory_mb": _resident() / 1e6,
            "simulated_hours": self.now / 3600,
            "recovered_s": self.recovered,
            "loss_driver_s": self.loss_seconds,
            "restart_s": math.nan,
            "database_mb": math.nan,
        }


def _resident() -> float:
    """Returns the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def simulate(
    sampler: str, trials: int, workers: int, seconds: float
) -> Iterator[dict[str, object]]:
    """Yields the rows of one simulated sweep. The last row also has the time of a restart and the size of the database."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "name": "simulated",
            "scale": 4,
            "families": {"slwsr": KNOBS},
            "objectives": OBJECTIVES,
            "train": {"steps": STEPS, "evaluate_every": STEPS // EVALUATIONS},
            "search": {"trials": trials, "sampler": sampler},
            "storage": f"sqlite:///{folder}/results.db",
            "checkpoints": f"{folder}/runs",
        }
        config = parse_config({"metadata": {"sweep": settings}}, "benchmark")
        cluster = Cluster(config, workers, seconds)
        rows = list(cluster.run(trials))
        cluster.sweep.close()
        cluster.store.close()
        counted_once.cache_clear()  # as in a new process
        began = time.process_time()
        store = Store(config.storage)
        again = Sweep(config, store, holder="simulation")
        rows[-1]["restart_s"] = time.process_time() - began
        assert len(again.finished) == trials
        rows[-1]["database_mb"] = Path(folder, "results.db").stat().st_size / 1e6
        again.close()
        store.close()
        yield from rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=2_000, help="number of trials per sweep")
    parser.add_argument("--workers", type=int, default=64, help="number of simulated workers")
    parser.add_argument("--seconds", type=float, default=60.0, help="median duration of a training")
    parser.add_argument("--samplers", default="random,tpe", help="samplers, with commas")
    parser.add_argument("--only", action="store_true", help="run one sampler in this process")
    options = parser.parse_args()
    sizes = (options.trials, options.workers, options.seconds)
    if options.only:
        print(json.dumps(list(simulate(options.samplers, *sizes))))
        return
    record = Record("simulated-cluster", trials=sizes[0], workers=sizes[1], seconds=f"{sizes[2]:g}")
    for sampler in options.samplers.split(","):
        command = [sys.executable, "-m", "benchmarks.simulated_cluster", "--only"]
        command += ["--samplers", sampler, "--trials", str(sizes[0]), "--workers", str(sizes[1])]
        command += ["--seconds", str(sizes[2])]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for row in json.loads(done.stdout.splitlines()[-1]):
            record.add(sampler=sampler, workers=sizes[1], trials=sizes[0], **row)
            print(record.rows[-1], flush=True)
    print(record.path, *table.simulated(record.rows), sep="\n")


if __name__ == "__main__":
    main()
