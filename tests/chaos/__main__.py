"""Kills a driver, a worker or a raylet at random moments. The sweeps must end as if nothing had happened.

    python -m tests.chaos --rounds 20

A round is one kill. The driver is then started again as a person would start it. A node comes back after its raylet
was killed. Sweeps follow one another until all rounds are over. The trials, numbers and Pareto front of each sweep
must equal those of an undisturbed run, with each trial once, and no process may be left.
"""

import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from analysis.choose.pareto import front_mask
from tests.chaos.command import run_command
from tests.cluster.drivers import driver, ended, lasting_sweep, undisturbed_rows, wait_until
from tests.cluster.nodes import Cluster, Node, left_behind
from tests.cluster.rows import attempts, rows

Rows = dict[str, list[tuple[Any, ...]]]
TRIALS = 8
LONGEST_PAUSE = 8.0
"""Longest pause between two kills, in seconds. Pauses are drawn from 0 to this."""
MOSTLY = 0.8
"""Share of the kills that wait until a trial runs. The others may hit a driver or a node that is starting."""


class Chaos:
    """A cluster of two nodes, a driver, and a count of what was killed."""

    def __init__(self, folder: Path, cluster: Cluster, seed: int, trials: int) -> None:
        self.folder, self.cluster, self.random = folder, cluster, random.Random(seed)
        self.trials = trials
        self.nodes = [cluster.add_node(), cluster.add_node()]
        self.killed: Counter[str] = Counter()

    def sweep(self, number: int, rounds: int) -> int:
        """Runs one sweep to its end with at most `rounds` kills and returns the number of kills."""
        file = lasting_sweep(self.folder / f"sweep-{number}", search=search(self.trials))
        kills = lives = 0
        while True:
            lives += 1
            assert lives < 10 * self.trials, "the sweep does not end"
            with driver(file, ray=self.cluster.address) as process:
                kills += self._disturb(process, rounds - kills)
                code, output = ended(process)
            if code == 0:
                return kills
            assert code == -signal.SIGKILL, output

    def _disturb(self, process: subprocess.Popen[str], rounds: int) -> int:
        """Kills at random moments until the driver has died or ended. Returns the number of kills."""
        kills = 0
        while kills < rounds:
            if self.random.random() < MOSTLY:
                self._wait_for_trials(process)
            try:
                process.wait(self.random.uniform(0, LONGEST_PAUSE))
                return kills
            except subprocess.TimeoutExpired:
                pass
            victim = self.random.choice(["driver", "worker", "raylet"])
            if getattr(self, f"_kill_{victim}")(process):
                self.killed[victim] += 1
                kills += 1
                print(f"{sum(self.killed.values())}: killed a {victim}", flush=True)
        return kills

    def _wait_for_trials(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None and not any(node.workers for node in self.nodes):
            time.sleep(0.2)

    def _kill_driver(self, process: subprocess.Popen[str]) -> bool:
        if process.poll() is not None:
            return False
        process.kill()
        process.wait()
        return True

    def _kill_worker(self, process: subprocess.Popen[str]) -> bool:
        workers = [worker for node in self.nodes for worker in node.workers]
        if not workers:
            return False
        self.random.choice(workers).send_signal(signal.SIGKILL)
        return True

    def _kill_raylet(self, process: subprocess.Popen[str]) -> bool:
        place = self.random.randrange(len(self.nodes))
        lost: Node = self.nodes[place]
        lost.kill_raylet()
        lost.end()
        self.nodes[place] = self.cluster.add_node()
        return True


def search(trials: int) -> dict[str, Any]:
    return {"sampler": "random", "trials": trials, "max_attempts": 50}


def front(found: Rows) -> list[tuple[int, float, float]]:
    """Returns (trial, PSNR, parameters) of each trial on the Pareto front."""
    values: dict[int, dict[str, float]] = {}
    for number, name, _, _, value in found["measurements"]:
        values.setdefault(number, {})[name] = value  # in order of steps: the last one stays
    points = np.array([[v["psnr_y"], v["params"]] for v in values.values()])
    mask = front_mask(points, ["maximize", "minimize"])
    return [
        (n, v["psnr_y"], v["params"]) for (n, v), on in zip(values.items(), mask, strict=True) if on
    ]


def check(url: str, reference: Rows, trials: int) -> None:
    """Raises AssertionError if the sweep in `url` differs from the undisturbed one."""
    found: Rows = rows(url, "tiny")
    assert [row[0] for row in found["trials"]] == list(range(trials)), found["trials"]
    assert found == reference
    assert front(found) == front(reference)
    numbers = [(number, attempt) for number, attempt, *_ in attempts(url, "tiny")]
    assert len(numbers) == len(set(numbers))


def run(rounds: int, seed: int, trials: int = TRIALS) -> str:
    """Returns one line on what was done. Raises AssertionError if anything was lost, doubled or left behind."""
    with tempfile.TemporaryDirectory(prefix="srsweep-chaos-") as name:
        folder = Path(name)
        reference = undisturbed_rows(folder / "undisturbed", search=search(trials))
        sweeps = 0
        with Cluster() as cluster:
            chaos = Chaos(folder, cluster, seed, trials)
            while sum(chaos.killed.values()) < rounds:
                chaos.sweep(sweeps, rounds - sum(chaos.killed.values()))
                check(f"sqlite:///{folder / f'sweep-{sweeps}' / 'results.db'}", reference, trials)
                sweeps += 1
                print(
                    f"sweep {sweeps}: {trials} trials, each once, equal to the undisturbed",
                    flush=True,
                )
            idle = [node for node in chaos.nodes if node.raylet]
            wait_until(
                lambda: not any(n.workers for n in idle), "no trial runs without a driver", 30
            )
        wait_until(lambda: not left_behind(), f"no process is left: {left_behind()}", 30)
    said = ", ".join(f"{count} {victim}s" for victim, count in sorted(chaos.killed.items()))
    return f"{rounds} rounds ({said}) in {sweeps} sweeps of {trials} trials: nothing lost, doubled or left behind"


if __name__ == "__main__":
    run_command(run, __doc__, rounds=20)
