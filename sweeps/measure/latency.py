"""Measures the latency of a network on this machine: the median and the quartiles of several runs after a warm-up.

A latency depends on the device, the runtime, the precision, the image size and the number of threads. All five are
stored with the measurement, so that only latencies measured under equal conditions are compared.

A latency also depends on other work on the cores. Other computations of srsweep pause during the measurement
(`sweeps.measure.turns`). The load of all other processes is measured (`sweeps.measure.load`). A latency is marked as
unreliable if it was measured under load or if its rounds disagree.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sweeps.machine import keep_freed_memory
from sweeps.measure.latency_names import HIGH, LOW, LOWER, OTHERS, PREFIX, RELIABLE, RUNS, UPPER
from sweeps.measure.load import Load, Meter
from sweeps.measure.turns import Alone, alone

Runtime = Literal["torch", "torch.export", "onnxruntime"]
"""The library that runs the network."""
ROUND_SECONDS = 0.5
"""Minimum duration of a round, in seconds. A round with MOST_ROUND_RUNS runs may be shorter."""
ROUND_RUNS, MOST_ROUND_RUNS = 3, 1000
"""Smallest and largest number of runs in a round."""
ROUNDS = 3
"""Number of rounds that must agree."""
AGREEMENT = 0.1
"""Maximum distance between any two quartiles of agreeing rounds, as a fraction of the median. Two reliable measurements
therefore differ by less than a tenth, unless the machine itself changes."""
MOST_SECONDS = 15.0
"""Seconds after which no further round begins. The limit exists because all other computations of the user wait."""
MOST_EXACT = 70
"""Maximum number of values for which `median_interval` uses the binomial distribution. For more, it uses the normal
distribution."""
MOST_CHARACTERS = 50
"""Maximum number of characters in the database columns for a measurement's name and dataset."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The conditions of a latency measurement."""

    runtime: str
    """The library that runs the network, usually one of `Runtime`."""
    dtype: str
    """The precision, such as 'float32' or 'int8'."""
    height: int
    """Height of the low-resolution image, in pixels."""
    width: int
    """Width of the low-resolution image, in pixels."""
    threads: int
    """Number of processor threads that the network may use; 1 on a GPU."""
    device: str
    """Model name of the processor or GPU."""

    @property
    def name(self) -> str:
        """Name of the measurement in the database. It contains all conditions except the device."""
        size = f"{self.width}x{self.height}"
        text = f"{PREFIX} {self.runtime} {self.dtype} {size} {self.threads} threads"
        assert len(text) <= MOST_CHARACTERS, text
        return text

    @property
    def dataset(self) -> str:
        """The device's name, shortened to fit in the database column `dataset`."""
        return self.device[:MOST_CHARACTERS].strip()


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Median and quartiles of the time for one image over several runs, in milliseconds."""

    median: float
    lower: float
    """Lower quartile."""
    upper: float
    """Upper quartile."""
    runs: int
    """Number of runs from which the quartiles and the median were computed."""
    setting: Setting
    low: float
    """Lower end of the confidence interval of the median (see `median_interval`)."""
    high: float
    """Upper end of the confidence interval of the median."""
    others: float = math.nan
    """Mean number of cores that other processes used during these runs; NaN if the system does not report it."""
    doubt: str = ""
    """Why the latency is unreliable, such as the load of other processes; '' if it is reliable."""

    @property
    def is_reliable(self) -> bool:
        """Whether the network ran alone and the quartiles of several rounds agree."""
        return not self.doubt

    def rows(self) -> list[tuple[str, str, float]]:
        """Returns the measurements to store, each as (name, dataset, value). The median is the first."""
        values = {
            PREFIX: self.median,
            LOWER: self.lower,
            UPPER: self.upper,
            LOW: self.low,
            HIGH: self.high,
            RUNS: self.runs,
            OTHERS: self.others,
            RELIABLE: self.is_reliable,
        }
        setting = self.setting
        return [
            (f"{word}{setting.name.removeprefix(PREFIX)}", setting.dataset, float(value))
            for word, value in values.items()
            if not math.isnan(value)
        ]


@dataclass(frozen=True, kw_only=True)
class Round:
    """A group of consecutive runs of a network."""

    times: tuple[float, ...]
    """Duration of each run in milliseconds."""
    load: Load

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile of the runs, in milliseconds."""
        lower, upper = np.quantile(self.times, (0.25, 0.75))
        return float(lower), float(upper)


def measure(
    run: Callable[[], object],
    setting: Setting,
    *,
    limit: float | None = None,
    warm_up: int = 3,
    clock: Callable[[], float] = time.perf_counter,
    meter: Meter | None = None,
) -> Latency:
    """Returns the latency of `run`.

    All other computations of this user on this machine pause during the measurement. The first `warm_up` calls are not
    timed. Then `run` is called in rounds, timed with `clock` (in seconds), until the quartiles of the last ROUNDS
    rounds agree. A round does not count if `meter` reports that other processes used the cores during it. If the
    confidence interval of the median contains `limit` (in milliseconds), further rounds narrow the interval. After
    MOST_SECONDS and at least ROUNDS rounds, no further round begins. If the rounds do not agree by then, the latency is
    unreliable. `setting` describes the conditions of the measurement.
    """
    # Otherwise, page faults take a third of a run of torch. A process that has trained keeps freed memory too.
    keep_freed_memory()
    rounds: list[Round] = []
    with alone() as hold:
        for _ in range(warm_up):
            run()
            hold.beat()
        meter = meter or Meter()
        began = clock()
        while len(rounds) < ROUNDS or clock() - began < MOST_SECONDS:
            rounds.append(_round(run, clock, meter, hold))
            agreed = agreeing(rounds)
            if agreed and not _contains(median_interval(_times(agreed)), limit):
                break
    return _latency(rounds, setting, hold.why_not)


def _round(
    run: Callable[[], object], clock: Callable[[], float], meter: Meter, hold: Alone
) -> Round:
    times: list[float] = []
    spent = 0.0
    meter.restart()
    while len(times) < ROUND_RUNS or (spent < ROUND_SECONDS and len(times) < MOST_ROUND_RUNS):
        began = clock()
        run()
        times.append(clock() - began)
        spent += times[-1]
        hold.beat()
    return Round(times=tuple(1000 * each for each in times), load=meter.load())


def agreeing(rounds: Sequence[Round]) -> list[Round]:
    """Returns as many of the newest rounds as agree, at least ROUNDS, or [] if the newest ROUNDS rounds do not agree.

    Rounds agree if all their quartiles lie within a band whose width is AGREEMENT times the median of their runs.
    Rounds during which other processes used the cores are left out.
    """
    quiet = [each for each in rounds if not each.load.is_busy]
    found: list[Round] = []
    for count in range(ROUNDS, len(quiet) + 1):
        newest = quiet[-count:]
        ends = [end for each in newest for end in each.quartiles]
        if max(ends) - min(ends) > AGREEMENT * float(np.median(_times(newest))):
            break
        found = newest
    return found


def _latency(rounds: Sequence[Round], setting: Setting, why_not_alone: str) -> Latency:
    """Returns the latency from the rounds that agree.

    If none agree, returns an unreliable latency. It is computed from the quiet rounds, or from the rounds with the
    least load if fewer than ROUNDS rounds are quiet.
    """
    used, doubt = agreeing(rounds), why_not_alone
    if not used:
        quiet = [each for each in rounds if not each.load.is_busy]
        least = sorted(rounds, key=lambda each: each.load.others if each.load.is_known else 0.0)
        used = quiet if len(quiet) >= ROUNDS else least[:ROUNDS]
        ends = [end for each in used for end in each.quartiles]
        apart = f"the quartiles of its rounds do not agree, {min(ends):.4g} to {max(ends):.4g} ms"
        doubt = doubt or (apart if used is quiet else str(_mean_load(rounds)))
    times = _times(used)
    lower, median, upper = (float(q) for q in np.quantile(times, (0.25, 0.5, 0.75)))
    low, high = median_interval(times)
    return Latency(
        median=median,
        lower=lower,
        upper=upper,
        runs=len(times),
        setting=setting,
        low=low,
        high=high,
        others=_mean_load(used).others,
        doubt=doubt,
    )


def _mean_load(rounds: Sequence[Round]) -> Load:
    seconds = sum(each.load.seconds for each in rounds)
    others = sum(each.load.others * each.load.seconds for each in rounds) / seconds
    return Load(others=others, cores=rounds[0].load.cores, seconds=seconds)


def _times(rounds: Sequence[Round]) -> list[float]:
    return [time for each in rounds for time in each.times]


def _contains(interval: tuple[float, float], limit: float | None) -> bool:
    return limit is not None and interval[0] <= limit <= interval[1]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns a 95 % confidence interval of the median of the distribution from which `values` were drawn.

    The ends are two of the values, chosen by rank, so the distribution may have any shape. Source: Hoefler and Belli,
    "Scientific benchmarking of parallel computing systems", 2015, section 3.1.3. For fewer than six values, the ends
    are the smallest and the largest value, and the confidence is below 95 %.
    """
    ordered, count = sorted(values), len(values)
    # The number of values below the median has a binomial distribution.
    rank, below = 0, 0.5 ** min(count, MOST_EXACT)
    if count > MOST_EXACT:
        rank = int(count / 2 - 0.98 * math.sqrt(count))
    while count <= MOST_EXACT and below <= 0.025:
        rank += 1
        below += math.comb(count, rank) * 0.5**count
    place = max(rank - 1, 0)
    return ordered[place], ordered[count - 1 - place]
