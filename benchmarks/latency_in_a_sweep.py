"""Compares, round by round, the latency of a network in a busy sweep with its latency alone.

In each round, the network is measured three times: alone, as in a sweep, and alone again. As in a sweep, two other
processes train meanwhile, and pause only when `sweeps.measure.turns` asks them to. The latency in the sweep is compared
with the mean of the two latencies alone. A virtual machine may slow down by a third within a minute, without any sign
of it inside. A round therefore counts only if its two latencies alone agree within TOLERANCE. The other rounds are
printed, but prove nothing.

Worked example: 100 ms alone, 104 ms in the sweep and 102 ms alone again are a difference of 104 / 101 - 1 = +3.0 %. With
130 ms at the end, the round does not count.

With --contrast, each round also measures the network beside training processes that do not pause, as in earlier
versions of srsweep. The rows also hold the cores that the training processes and all other processes used during the
measurement, because their load distorts the results.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import fmean, median

import torch

from benchmarks.options import parser_for
from benchmarks.record import Record
from searchspace.architecture import architecture
from sweeps.data.settings import DataSettings
from sweeps.measure import turns
from sweeps.measure.latency import Latency
from sweeps.measure.load import process_seconds
from sweeps.measure.torch_latency import time_network
from sweeps.records import Evaluation, Progress
from sweeps.train.segment import Segment, run
from sweeps.train.settings import TrainSettings

NETWORK = ("slwsr", {"n_feats": 8, "n_blocks": 8, "local_blocks": 4})
SCALE = 4
STEPS = 1_000_000
"""More steps than a training process can take during the benchmark."""
TOLERANCE = 0.10
"""Maximum relative difference between the two latencies alone in a round that counts."""
STARTING_SECONDS = 300
"""Seconds within which a training process must take its first steps."""


def segment(folder: Path, number: int, data: DataSettings, cache: Path) -> Segment:
    """Returns an endless training segment, in the form in which a sweep gives it to a worker."""
    train = TrainSettings(steps=STEPS, patch_size=24, batch_size=8, evaluate_every=50)
    family, knobs = NETWORK
    return Segment(
        trial_id=number,
        number=number,
        attempt=1,
        family=family,
        knobs=knobs,
        label="",
        scale=SCALE,
        seed=number,
        until_step=STEPS,
        train=train,
        data=data,
        folder=folder / str(number),
        cache=cache,
    )


def work(wanted: Segment, pauses: bool, started: Event, stopped: Event) -> None:
    """Trains in a process of its own until `stopped` is set.

    Without `pauses`, the process never waits for a measurement.
    """
    if not pauses:
        turns.join_measurement()
    steps = 0

    def is_stopped() -> bool:
        nonlocal steps
        steps += 1
        if steps == 3:
            started.set()
        return stopped.is_set()

    try:
        for record in run(wanted, is_stopped=is_stopped):
            assert isinstance(record, Evaluation | Progress), record
    except KeyboardInterrupt:
        return


@contextmanager
def trainings(
    folder: Path, *, pauses: bool, data: DataSettings, cache: Path
) -> Iterator[list[int]]:
    """Trains in two processes during the `with` block. Yields their process ids."""
    context = multiprocessing.get_context("spawn")
    stopped = context.Event()
    started = [context.Event() for _ in range(2)]
    processes: list[BaseProcess] = []
    for number, event in enumerate(started):
        wanted = segment(folder, number, data, cache)
        processes.append(context.Process(target=work, args=(wanted, pauses, event, stopped)))
        processes[-1].start()
    try:
        for event in started:
            assert event.wait(STARTING_SECONDS), "a training did not start"
        yield [process.pid for process in processes if process.pid is not None]
    finally:
        stopped.set()
        for process in processes:
            process.join()


def measured(trainings: Sequence[int], priority: int) -> tuple[Latency, float]:
    """Returns the latency of the network with one thread, and how many cores the processes `trainings` used meanwhile."""
    torch.set_num_threads(1)
    with turns.alone():
        os.setpriority(os.PRIO_PROCESS, 0, priority)
        began, before = time.perf_counter(), sum(map(process_seconds, trainings))
        found = time_network(architecture(*NETWORK), SCALE, torch.device("cpu"), 1)
        used = sum(map(process_seconds, trainings)) - before
        seconds = time.perf_counter() - began
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    return found, used / seconds


def counts(before: float, after: float) -> bool:
    """Returns whether two latencies alone, in the same unit, agree within TOLERANCE."""
    return max(before, after) / min(before, after) - 1 <= TOLERANCE


def main() -> None:
    """Measures round by round and prints the differences."""
    parser = parser_for(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (default: 5)")
    parser.add_argument(
        "--priority",
        type=int,
        default=0,
        help="nice value of the process that measures, while it measures (default: 0). A value below 0 keeps other "
        "processes off its core and needs the rights to set it.",
    )
    parser.add_argument(
        "--contrast", action="store_true", help="also measure beside trainings that do not pause"
    )
    options = parser.parse_args()
    data = DataSettings(train=options.train, root=options.root)
    record = Record("latency-in-a-sweep", train=options.train, priority=options.priority)
    how = {"alone before": None, "busy sweep": True, "alone after": None}
    if options.contrast:
        how["busy, without turns"] = False
    differences: list[float] = []
    untold: list[float] = []
    for number in range(options.rounds):
        medians = {}
        for name, pauses in how.items():
            if pauses is None:
                found, used = measured((), options.priority)
            else:
                with (
                    tempfile.TemporaryDirectory() as folder,
                    trainings(Path(folder), pauses=pauses, data=data, cache=options.cache) as pids,
                ):
                    found, used = measured(pids, options.priority)
            medians[name] = found.median
            record.add(
                round=number,
                how=name,
                median_ms=round(found.median, 2),
                lower_ms=round(found.lower, 2),
                upper_ms=round(found.upper, 2),
                runs=found.runs,
                trainings=round(used, 2),
                others=round(found.others, 2),
                doubt=found.doubt,
            )
            print(
                f"{number} {name}: {found.median:.1f} ms ({found.lower:.1f} to {found.upper:.1f}, {found.runs} runs); "
                f"trainings {used:.2f}, others {found.others:.2f} cores",
                flush=True,
            )
        before, after = medians["alone before"], medians["alone after"]
        difference = medians["busy sweep"] / fmean((before, after)) - 1
        drift = after / before - 1
        (differences if counts(before, after) else untold).append(difference)
        print(f"{number}: busy sweep {difference:+.1%}; alone, after against before {drift:+.1%}")
    for which, found_differences in (
        ("busy sweep against alone", differences),
        ("rounds that tell nothing, because the machine changed", untold),
    ):
        if found_differences:
            shown = ", ".join(f"{each:+.1%}" for each in found_differences)
            print(f"{which}: {shown}; median {median(found_differences):+.1%}")


if __name__ == "__main__":
    main()
