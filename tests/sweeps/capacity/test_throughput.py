"""Tests how srsweep finds the best number of parallel trials, on invented rates and with real processes."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.capacity import throughput
from sweeps.capacity.gpus import VISIBLE
from sweeps.capacity.throughput import Job, Ladder, Rung, RungFailed, climb, counts, measure_rung
from sweeps.data.cache import PairSet
from sweeps.data.settings import DataSettings
from sweeps.measure import turns
from sweeps.measure.load import Load, Meter
from sweeps.train.settings import TrainSettings

SMALL = {"n_feats": 2, "n_blocks": 2, "local_blocks": 2}


def job(cache: Path, *, patch_size: int = 8, seconds: float = 0.2, **changes: object) -> Job:
    train = TrainSettings(patch_size=patch_size, batch_size=2, precision="float32", device="cpu")
    return Job(
        family="slwsr",
        knobs={**SMALL, **changes},
        scale=2,
        seed=0,
        train=train,
        data=DataSettings(),
        cache=cache,
        seconds=seconds,
    )


@pytest.fixture
def _same_sigint_afterwards() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def machine(rates: dict[int, float], fails: dict[int, str]) -> Callable[[Job, int], Rung]:
    """A machine on which each number of parallel trials takes a given number of steps per second, or fails."""

    def measure(job: Job, count: int) -> Rung:
        if count in fails:
            raise RungFailed(fails[count])
        rate = rates[count]
        return Rung(trials=count, threads=job.threads, steps_per_second=rate, memory=None)

    return measure


def climbed(
    tmp_path: Path, rates: dict[int, float], fails: dict[int, str] | None = None, most: int = 16
) -> Ladder:
    return climb(job(tmp_path), most, measure=machine(rates, fails or {}))


@pytest.mark.parametrize(
    ("most", "expected"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (12, [1, 2, 4, 8, 12]), (16, [1, 2, 4, 8, 16])],
)
def test_numbers_of_trials_double_up_to_the_most(most: int, expected: list[int]) -> None:
    assert counts(most) == expected


def test_the_ladder_ends_where_twice_as_many_gain_less_than_a_twentieth(tmp_path: Path) -> None:
    ladder = climbed(tmp_path, {1: 10, 2: 19, 4: 30, 8: 31})
    assert [rung.trials for rung in ladder.rungs] == [1, 2, 4, 8]
    assert (ladder.best.trials, ladder.failure) == (4, "")


def test_where_more_are_slower_one_at_a_time_is_best(tmp_path: Path) -> None:
    ladder = climbed(tmp_path, {1: 10, 2: 8})
    assert (len(ladder.rungs), ladder.best.trials) == (2, 1)


def test_the_ladder_goes_no_further_than_the_most(tmp_path: Path) -> None:
    rates = {count: float(count) for count in range(1, 100)}
    assert climbed(tmp_path, rates, most=6).best.trials == 6


def test_a_rung_without_memory_ends_the_ladder_at_the_one_before(tmp_path: Path) -> None:
    ladder = climbed(tmp_path, {1: 10, 2: 20}, {4: "out of memory: no room"})
    assert ladder.best.trials == 2
    assert ladder.failure == "4 trials at once: out of memory: no room"


def test_a_machine_on_which_not_even_one_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(RungFailed, match="no room"):
        climbed(tmp_path, {}, {1: "out of memory: no room"})


def test_cores_are_split_between_the_trials(tmp_path: Path) -> None:
    rates = {1: 1.0, 2: 2.0, 4: 4.0}
    ladder = climb(job(tmp_path), 4, cores=4, measure=machine(rates, {}))
    assert [rung.threads for rung in ladder.rungs] == [4, 2, 1]
    kept = climb(job(tmp_path), 4, measure=machine(rates, {}))
    assert [rung.threads for rung in kept.rungs] == [1, 1, 1]


@pytest.mark.slow
def test_a_rung_takes_real_steps_has_the_machine_to_itself_and_tells_memory_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other trainings wait while steps are counted, and the measurement's own processes do not count as load."""
    seen: list[int] = []

    class Watched(Meter):
        def __init__(self, own: Sequence[int]) -> None:
            seen.extend(own)
            assert turns._turns.turn.held
            super().__init__(own)

    monkeypatch.setattr(throughput, "Meter", Watched)
    rung = measure_rung(job(tmp_path), 2)
    assert (rung.trials, rung.threads) == (2, 1)
    assert rung.steps_per_second > 1
    assert rung.memory is None or 50e6 < rung.memory < 5e9
    assert not multiprocessing.active_children()
    assert len(set(seen)) == 2
    assert rung.load.cores >= 1
    assert not turns._turns.turn.held


def test_a_rung_beside_others_is_measured_again_and_the_quietest_counts(tmp_path: Path) -> None:
    loads = iter([1.5, 0.0, 1.4, 0.9, 1.2])

    def measure(job: Job, count: int) -> Rung:
        load = Load(others=next(loads), cores=2, seconds=5.0)
        return Rung(trials=count, threads=1, steps_per_second=count, memory=None, load=load)

    ladder = climb(job(tmp_path), 2, measure=measure)
    assert [rung.load.others for rung in ladder.rungs] == [0.0, 0.9]
    assert ladder.disturbance == "other processes used 0.9 of 2 cores"
    assert climbed(tmp_path, {1: 10, 2: 20}, most=2).disturbance == ""


@pytest.mark.slow
def test_a_process_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with pytest.raises(RungFailed, match=r"train\.patch_size: must fit into each image"):
        measure_rung(job(tmp_path, patch_size=4000), 1)
    assert not multiprocessing.active_children()


@pytest.fixture
def signal_one() -> Iterator[Callable[[signal.Signals], None]]:
    """Sends a signal to the first process that is started after this call."""
    senders: list[threading.Thread] = []

    def send(number: signal.Signals) -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        assert children[0].pid is not None
        os.kill(children[0].pid, number)

    def start(number: signal.Signals) -> None:
        senders.append(threading.Thread(target=send, args=(number,)))
        senders[0].start()

    yield start
    senders[0].join()


def test_a_process_that_is_killed_ends_the_rung(
    tmp_path: Path, signal_one: Callable[[signal.Signals], None]
) -> None:
    signal_one(signal.SIGKILL)
    with pytest.raises(RungFailed, match=r"died, exit code -9 \(killed: out of memory"):
        measure_rung(job(tmp_path, seconds=30), 1)


def test_a_process_that_hangs_ends_the_rung(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signal_one: Callable[[signal.Signals], None],
) -> None:
    monkeypatch.setattr(throughput, "MEASURE_SECONDS", 0.5)
    signal_one(signal.SIGSTOP)  # it does not hear SIGTERM any more
    with pytest.raises(RungFailed, match=r"a process hangs: it did not answer for 0\.5 s"):
        measure_rung(job(tmp_path), 1)
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.usefixtures("_same_sigint_afterwards")
@pytest.mark.parametrize("when", ["_start", "_told"])
def test_ctrl_c_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    # A shell that starts the tests in the background has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    whole = getattr(throughput, when)

    def interrupted(*values: object) -> object:
        answer = whole(*values)
        os.kill(os.getpid(), signal.SIGINT)
        return answer

    monkeypatch.setattr(throughput, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure_rung(job(tmp_path, seconds=60), 2)
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("_same_sigint_afterwards")
def test_a_process_sees_its_gpu_and_evaluates_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's code runs in the test's own process, so that the test can observe it."""
    ours, theirs = multiprocessing.Pipe()
    seen: list[str] = []

    def watched(network: object, pairs: PairSet, *, device: object) -> None:
        seen.append(os.environ[VISIBLE])
        assert len(pairs) == 1, "one batch of a processor's"

    monkeypatch.setenv(VISIBLE, "all")
    monkeypatch.setattr(throughput, "evaluate", watched)
    ours.send("go")
    throughput.work(theirs, replace(job(tmp_path), gpus="3"))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert seen == ["3"]
    assert ours.recv() == ()
    assert ours.recv()[0] > 0


def test_a_lack_of_memory_is_told_as_such() -> None:
    assert throughput._reason(MemoryError("no room")) == "out of memory: no room"
    assert throughput._reason(ValueError("no network\nat all")) == "no network"
    assert throughput._reason(KeyError()) == "KeyError"
