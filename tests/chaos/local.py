"""Kills the driver or a worker of a halving sweep on this machine, two trials at once, at random moments.

    python -m tests.chaos.local --rounds 50

A round is one kill. After each kill of the driver it is started again as a person would start it. Which trials halving
promotes depends on the order in which results arrive, so an undisturbed run may complete other trials. What must hold:
each trial is there once, trials of equal number are the same network, and wherever both runs have a measurement, the
two values are equal to the last bit.
"""

import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.command import run_command
from tests.cluster.drivers import TRAIN, driver, ended, lasting_sweep
from tests.cluster.rows import attempts, rows

TRIALS = 9
LONGEST_PAUSE = 6.0
"""Longest pause between two kills, in seconds. Pauses are drawn from 0 to this."""
TRAINING_BYTES = 250_000_000
"""Memory above which a worker has imported torch, and so trains or is about to."""
MOSTLY = 0.9
"""Share of the kills that wait until a worker trains. The others may hit a driver that is starting."""


def halving_sweep(folder: Path) -> Path:
    return lasting_sweep(
        folder,
        search={
            "sampler": "random",
            "trials": TRIALS,
            "max_attempts": 100,
            "halving": {"min_steps": 50, "factor": 2},
        },
        train={**TRAIN, "evaluate_every": 25},
        resources={"cpu": 1, "concurrent": 2},
    )


def victims(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Returns the driver and the worker processes that train for it."""
    try:
        own = psutil.Process(process.pid)
        workers = [child for child in own.children() if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []
    return [own, *workers]


def wait_until_training(process: subprocess.Popen[str]) -> None:
    """Waits until the driver has workers whose images and network are loaded, or until it has ended."""
    while process.poll() is None:
        busy = [worker for worker in victims(process)[1:] if _memory(worker) > TRAINING_BYTES]
        if busy:
            return
        time.sleep(0.1)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def disturb(file: Path, rounds: int, chance: random.Random, killed: Counter[str]) -> int:
    """Runs one sweep to its end with at most `rounds` kills and returns the number of kills."""
    kills = 0
    for _ in range(50 * TRIALS):
        with driver(file, lease=2.0) as process:
            while kills < rounds:
                if chance.random() < MOSTLY:
                    wait_until_training(process)
                try:
                    process.wait(chance.uniform(0, LONGEST_PAUSE))
                    break
                except subprocess.TimeoutExpired:
                    pass
                alive = victims(process)
                if not alive:
                    break
                kind = chance.choice(["driver", "worker"]) if alive[1:] else "driver"
                victim = alive[0] if kind == "driver" else chance.choice(alive[1:])
                victim.send_signal(signal.SIGKILL)
                kills += 1
                killed[kind] += 1
                print(f"{sum(killed.values())}: killed a {kind}", flush=True)
            code, output = ended(process)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL, output
    raise AssertionError("the sweep does not end")


def check(url: str, reference: str) -> int:
    """Raises AssertionError if anything is lost, doubled or different. Returns the number of values compared."""
    found, expected = rows(url, "tiny"), rows(reference, "tiny")
    assert [row[0] for row in found["trials"]] == list(range(TRIALS)), found["trials"]
    assert [row[:4] for row in found["trials"]] == [row[:4] for row in expected["trials"]]
    states = Counter(row[4] for row in found["trials"])
    assert set(states) == {"complete", "stopped"}, states
    assert states["complete"] >= 1
    numbers = [(number, attempt) for number, attempt, *_ in attempts(url, "tiny")]
    assert len(numbers) == len(set(numbers))
    assert all(ended_at is not None for *_, ended_at in attempts(url, "tiny"))
    theirs: dict[tuple[Any, ...], float] = {row[:4]: row[4] for row in expected["measurements"]}
    keys = [row[:4] for row in found["measurements"]]
    assert len(keys) == len(set(keys))
    shared = [row for row in found["measurements"] if row[:4] in theirs]
    differing = [row for row in shared if row[4] != theirs[row[:4]]]
    assert not differing, differing
    return len(shared)


def run(rounds: int, seed: int) -> str:
    """Returns one line on what was done. Raises AssertionError if anything was lost, doubled or different."""
    chance, killed = random.Random(seed), Counter[str]()
    sweeps = compared = 0
    with tempfile.TemporaryDirectory(prefix="srsweep-chaos-") as name:
        folder = Path(name)
        undisturbed = halving_sweep(folder / "undisturbed")
        with driver(undisturbed) as process:
            code, output = ended(process)
            assert code == 0, output
        reference = f"sqlite:///{undisturbed.parent / 'results.db'}"
        while sum(killed.values()) < rounds:
            file = halving_sweep(folder / f"sweep-{sweeps}")
            disturb(file, rounds - sum(killed.values()), chance, killed)
            compared += check(f"sqlite:///{file.parent / 'results.db'}", reference)
            sweeps += 1
            print(
                f"{sum(killed.values())} kills in {sweeps} sweeps, {compared} values equal",
                flush=True,
            )
    said = ", ".join(f"{count} {victim}s" for victim, count in sorted(killed.items()))
    return (
        f"{sum(killed.values())} rounds ({said}) in {sweeps} sweeps of {TRIALS} trials with halving, two at once: nothing lost "
        f"or doubled, {compared} values equal to an undisturbed run's"
    )


if __name__ == "__main__":
    run_command(run, __doc__, rounds=50)
