"""How a latency is measured: rounds until their quartiles agree, on an invented clock and an invented load."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest

from sweeps.measure import latency, latency_names, turns
from sweeps.measure.latency import Latency, Round, Setting, agreeing, measure, median_interval
from sweeps.measure.load import Load, Meter

SETTING = Setting(
    runtime="torch", dtype="float32", height=180, width=320, threads=2, device="A" * 60
)


@dataclass
class Machine(Meter):
    """A machine on which the runs take given times and others use given numbers of cores in each round."""

    times: Iterator[float]
    """Seconds of each run."""
    others: Iterator[float]
    """Cores that others use, in each round."""
    now: float = 0.0
    ran: int = 0
    starts: list[int] = field(default_factory=list)
    """Number of runs before each round."""

    def run(self) -> None:
        self.now += next(self.times)
        self.ran += 1

    def restart(self) -> None:
        self.starts.append(self.ran)

    def load(self) -> Load:
        return Load(others=next(self.others), cores=2, seconds=1.0)

    def measure(self, *, limit: float | None = None) -> Latency:
        return measure(self.run, SETTING, limit=limit, clock=lambda: self.now, meter=self)


def machine(times: Iterable[float], others: Iterable[float] = repeat(0.0)) -> Machine:
    return Machine(times=iter(times), others=iter(others))


def test_rounds_that_agree_give_the_median_after_warming_up() -> None:
    warm_up = [9.0, 9.0, 9.0]
    on = machine(chain(warm_up, repeat(0.2)))
    found = on.measure()
    # Three rounds of three runs, which take half a second each.
    assert on.starts == [3, 6, 9]
    assert (found.median, found.lower, found.upper) == pytest.approx((200, 200, 200))
    assert (found.runs, found.doubt) == (9, "")
    assert SETTING.name == "latency_ms torch float32 320x180 2 threads"
    assert len(SETTING.dataset) == 50


def test_a_process_that_has_not_trained_keeps_freed_memory_like_one_that_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once, a network took 150 ms in a new process, and 91 ms in one that had trained a trial before."""
    kept: list[int] = []
    on = machine(repeat(0.2))
    monkeypatch.setattr(latency, "keep_freed_memory", lambda: kept.append(on.ran))
    on.measure()
    assert kept == [0]  # before the first run


def test_short_runs_fill_half_a_second() -> None:
    found = machine(repeat(0.01)).measure()
    assert found.runs == pytest.approx(150, abs=3)
    assert machine(repeat(1e-6)).measure().runs == 3000


def test_rounds_beside_others_do_not_count() -> None:
    slow = [0.4] * 9
    on = machine(chain([0.2] * 3, slow, repeat(0.2)), chain([1.0, 1.5, 0.9], repeat(0.0)))
    found = on.measure()
    assert found.median == pytest.approx(200)
    assert found.others == 0.0
    assert found.is_reliable


def test_others_that_stay_make_a_latency_unreliable_and_are_named() -> None:
    found = machine(repeat(0.2), repeat(1.3)).measure()
    assert found.doubt == "other processes used 1.3 of 2 cores"
    assert found.others == pytest.approx(1.3)
    assert found.median == pytest.approx(200)


def test_a_machine_that_changes_is_measured_until_it_stays_as_it_is() -> None:
    falling = [0.2] * 3 + [0.5] * 3 + [0.4] * 3 + [0.3] * 3
    found = machine(chain(falling, repeat(0.2))).measure()
    assert (found.median, found.upper) == pytest.approx((200, 200))
    assert found.is_reliable


def test_quartiles_that_never_agree_are_told() -> None:
    found = machine(chain([0.2] * 3, *repeat((0.2, 0.2, 0.2, 0.3, 0.3, 0.3), 100))).measure()
    assert found.doubt == "the quartiles of its rounds do not agree, 200 to 300 ms"
    assert found.runs * 0.25 == pytest.approx(latency.MOST_SECONDS, abs=1)


def test_near_the_limit_it_is_measured_for_longer_and_far_from_it_not() -> None:
    around = chain([0.2] * 3, *repeat((0.199, 0.200, 0.201), 100))
    times = list(around)
    assert machine(times).measure(limit=300).runs == 9
    assert machine(times).measure(limit=100).runs == 9
    near = machine(times).measure(limit=200.5)
    assert near.runs > 9
    assert near.high < 200.5
    undecided = machine(times).measure(limit=200)
    assert undecided.low <= 200 <= undecided.high
    assert undecided.runs == pytest.approx(latency.MOST_SECONDS / 0.2, abs=3)


def test_a_slow_network_has_three_rounds_whatever_they_take() -> None:
    assert machine(repeat(60.0)).measure().runs == 9


def test_a_latency_that_was_not_alone_is_unreliable(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def crowded() -> Iterator[turns.Alone]:
        yield turns.Alone(beat=lambda: None, why_not="process 7 did not pause within 60 s")

    monkeypatch.setattr(latency, "alone", crowded)
    found = machine(repeat(0.2)).measure()
    assert found.doubt == "process 7 did not pause within 60 s"
    assert not found.is_reliable


def rounds(*times: Sequence[float], others: float = 0.0) -> list[Round]:
    seen = Load(others=others, cores=2, seconds=1.0)
    return [Round(times=tuple(each), load=seen) for each in times]


def test_rounds_agree_within_a_tenth_of_the_median() -> None:
    apart = rounds([100] * 5, [104] * 5, [109] * 5)
    assert agreeing(apart) == apart
    assert agreeing(rounds([100] * 5, [104] * 5, [115] * 5)) == []
    assert agreeing(apart[:2]) == []
    # A single slow run moves no quartile of five.
    outlier = rounds([100, 100, 100, 100, 900], [100] * 5, [100] * 5)
    assert agreeing(outlier) == outlier
    # Older rounds that differ are left out.
    assert agreeing(rounds([150] * 5) + apart) == apart
    assert agreeing(rounds([100] * 5, others=1.0) + apart) == apart


@pytest.mark.parametrize(
    ("count", "places"), [(3, (1, 3)), (5, (1, 5)), (6, (1, 6)), (10, (2, 9)), (25, (8, 18))]
)
def test_the_interval_of_the_median_is_that_of_the_tables(
    count: int, places: tuple[int, int]
) -> None:
    """The ranks for 95 % are those in tables of the sign test: 1 and 6 of 6 values, 2 and 9 of 10, 8 and 18 of 25."""
    assert median_interval(list(range(count, 0, -1))) == places


def test_the_interval_narrows_as_the_runs_become_many() -> None:
    low, high = median_interval(list(range(10_000)))
    assert (low, high) == pytest.approx((5000 - 98, 5000 + 98), abs=2)
    exact, many = median_interval(list(range(70))), median_interval(list(range(72)))
    assert exact[1] - exact[0] == pytest.approx(many[1] - many[0], abs=2)


def test_what_is_stored_has_names_that_fit_and_no_missing_value() -> None:
    found = machine(repeat(0.2)).measure()
    rows = found.rows()
    assert [name.split()[0] for name, _, _ in rows] == list(latency_names.WORDS)
    assert rows[0] == (SETTING.name, SETTING.dataset, pytest.approx(200))
    assert all(len(name) <= latency.MOST_CHARACTERS for name, _, _ in rows)
    unknown = machine(repeat(0.2), repeat(math.nan)).measure()
    assert not any(math.isnan(value) for _, _, value in unknown.rows())
    assert unknown.is_reliable  # a system that reports no load
