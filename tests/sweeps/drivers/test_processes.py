"""Tests worker processes on one machine: which GPUs they see, and what happens to a segment when one dies."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from sweeps.capacity.gpus import VISIBLE, of_workers
from sweeps.capacity.settings import ResourceSettings
from sweeps.drivers import processes
from sweeps.drivers.processes import Worker
from sweeps.engine.sweep import Sweep
from sweeps.records import Outcome
from sweeps.run import local_slots
from tests.sweeps.sweeps_for_tests import start

CONTEXT = multiprocessing.get_context("spawn")


@pytest.fixture
def idle_workers() -> Iterator[list[Worker]]:
    """Yields three idle workers, which ignore what they are sent."""
    pipes = [CONTEXT.Pipe() for _ in range(3)]
    workers = [
        Worker(
            process=CONTEXT.Process(target=time.sleep, args=(60,), daemon=True), pipe=ours, gpus=""
        )
        for ours, _ in pipes
    ]
    for worker in workers:
        worker.process.start()
    yield workers
    processes._end(workers)


def dead_worker(death: signal.Signals, gpus: str = "") -> Worker:
    """Returns a worker whose process a signal has ended without the driver's knowledge."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=time.sleep, args=(60,), daemon=True)
    process.start()
    theirs.close()
    assert process.pid is not None
    os.kill(process.pid, death)
    return Worker(process=process, pipe=ours, gpus=gpus)


def test_a_worker_killed_beside_others_may_have_lacked_memory_and_is_retried_alone(
    sweep: Sweep,
) -> None:
    segment, neighbour = sweep.next_segment(), sweep.next_segment()
    assert segment is not None
    assert neighbour is not None
    worker = dead_worker(signal.SIGKILL)
    worker.segment = segment
    assert not processes._listen(sweep, worker)
    killed = sweep.trials[segment.number]
    assert (killed.errors, killed.alone, killed.state) == (0, True, "paused")


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_died_alone_or_otherwise_is_an_error(
    sweep: Sweep, death: signal.Signals
) -> None:
    segment = sweep.next_segment()
    assert segment is not None
    if death != signal.SIGKILL:
        assert sweep.next_segment() is not None
    worker = dead_worker(death)
    worker.segment = segment
    assert not processes._listen(sweep, worker)
    died = sweep.trials[segment.number]
    assert (died.errors, died.alone) == (1, False)


def test_a_segment_that_an_idle_worker_died_too_early_for_goes_to_another(sweep: Sweep) -> None:
    workers = [dead_worker(signal.SIGKILL, gpus="3")]
    workers[0].process.join()
    try:
        processes._hand_out(sweep, workers, ["3"], CONTEXT)
        (replacement,) = workers
        assert replacement.process.is_alive()
        assert replacement.gpus == "3"
        assert replacement.segment is not None
        assert list(sweep.running) == [replacement.segment.number]
        assert replacement.segment.attempt == 1
        assert sweep.trials[0].errors == 0
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join()


def test_a_trial_that_must_be_alone_has_the_memory_of_idle_workers(
    sweep: Sweep, idle_workers: list[Worker]
) -> None:
    first, second = start(sweep), start(sweep)
    sweep.handle(first, Outcome(step=0, error="CUDA out of memory", out_of_memory=True))
    sweep.handle(second, Outcome(step=0, interrupted=True))
    workers = [*idle_workers]
    processes._hand_out(sweep, workers, [""] * 3, CONTEXT)
    (left,) = workers
    assert left.segment is not None
    assert left.segment.number == first.number
    assert [each.process.is_alive() for each in idle_workers] == [True, False, False]


def test_idle_workers_are_kept_for_trials_that_run_beside_others(
    sweep: Sweep, idle_workers: list[Worker]
) -> None:
    processes._hand_out(sweep, idle_workers, [""] * 3, CONTEXT)
    assert all(each.process.is_alive() and each.segment for each in idle_workers)


def test_a_new_worker_sees_the_gpu_that_no_other_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object, gpus: str) -> Worker:
        return Worker(process=CONTEXT.Process(), pipe=CONTEXT.Pipe()[0], gpus=gpus)

    monkeypatch.setattr(processes, "_start", start)
    workers: list[Worker] = []
    segment = object()
    for _ in range(4):
        processes._idle(workers, ["0", "1", "0", "1"], CONTEXT).segment = segment  # type: ignore[assignment]
    assert sorted(worker.gpus for worker in workers) == ["0", "0", "1", "1"]
    lost = next(worker for worker in workers if worker.gpus == "1")
    workers.remove(lost)
    assert processes._idle(workers, ["0", "1", "0", "1"], CONTEXT).gpus == "1"


@pytest.fixture
def machine_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Yields a function that gives this machine a number of GPUs."""

    def fake(count: int, visible: str | None = None) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.delenv(VISIBLE, raising=False)
        if visible is not None:
            monkeypatch.setenv(VISIBLE, visible)

    return fake


@pytest.mark.parametrize(
    ("gpu", "visible", "expected"),
    [
        (1, None, ["0", "1", "2", "3"]),
        (2, None, ["0,1", "2,3", "0,1", "2,3"]),
        (0.5, "5, GPU-1f", ["5", "GPU-1f", "5", "GPU-1f"]),
        (1, "5,7", ["5", "7", "5", "7"]),
        (1, "", [""] * 4),
        (0, None, [""] * 4),
    ],
)
def test_each_worker_has_a_gpu_of_those_that_this_process_may_use(
    machine_with: Callable[..., None], gpu: float, visible: str | None, expected: list[str]
) -> None:
    machine_with(4 if visible is None else len(list(filter(None, visible.split(",")))), visible)
    assert of_workers(4, ResourceSettings(gpu=gpu)) == expected


@pytest.mark.parametrize(("gpu", "slots"), [(1, 2), (0.5, 4), (0.4, 4), (2, 1), (3, 1)])
def test_a_machine_takes_the_trials_that_its_gpus_have_room_for(
    machine_with: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    gpu: float,
    slots: int,
) -> None:
    machine_with(2)
    monkeypatch.setattr("sweeps.run.num_cores", lambda: 16)
    assert local_slots(ResourceSettings(cpu=1, gpu=gpu)) == slots


@pytest.mark.parametrize(("gpus", "seen"), [("1", "1"), ("", "0,1")])
def test_a_worker_sees_its_gpus_alone(
    monkeypatch: pytest.MonkeyPatch, gpus: str, seen: str
) -> None:
    monkeypatch.setenv(VISIBLE, "0,1")
    ours, theirs = CONTEXT.Pipe()
    ours.close()
    before = signal.getsignal(signal.SIGINT)
    try:
        processes.work(theirs, os.getppid(), gpus)  # its driver is gone, so it ends at once
    finally:
        signal.signal(signal.SIGINT, before)
    assert os.environ[VISIBLE] == seen
