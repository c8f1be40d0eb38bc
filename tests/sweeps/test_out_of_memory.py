from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sweeps import trial
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.store import Store
from sweeps.sweep import Sweep
from sweeps.trial import Segment
from tests.sweeps.sweeps_for_tests import small_config


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    config = small_config(tmp_path)
    store = Store(config.storage)
    opened = Sweep(config, store, holder="test")
    yield opened
    opened.close()
    store.close()


def start(sweep: Sweep) -> Segment:
    segment = sweep.next_segment()
    assert segment is not None
    return segment


def out_of_memory(segment: Segment) -> Outcome:
    return Outcome(step=0, error="CUDA out of memory", out_of_memory=True)


def finish(sweep: Sweep, segment: Segment) -> None:
    measured = (Measurement(step=4, dataset="validation", name="psnr_y", value=30.0),)
    sweep.handle(segment, Evaluation(step=4, measurements=measured))
    sweep.handle(segment, Outcome(step=4))


def test_a_trial_that_found_no_memory_beside_others_is_tried_again_alone(sweep: Sweep) -> None:
    first, second = start(sweep), start(sweep)
    sweep.handle(first, out_of_memory(first))
    assert sweep.next_segment() is None  # until the second has left
    assert not sweep.done
    finish(sweep, second)
    again = start(sweep)
    assert (again.number, again.attempt) == (first.number, 2)
    assert sweep.next_segment() is None  # nothing beside it
    finish(sweep, again)
    assert sweep.trials[first.number].state == "complete"
    assert start(sweep).number == 2


def test_a_lack_of_memory_beside_others_is_no_fault_of_the_trial(sweep: Sweep) -> None:
    first, second = start(sweep), start(sweep)
    sweep.handle(first, out_of_memory(first))
    assert sweep.trials[first.number].errors == 0
    finish(sweep, second)
    for expected in ("paused", "failed"):
        again = start(sweep)
        sweep.handle(again, out_of_memory(again))
        assert sweep.trials[first.number].state == expected


def test_of_two_that_found_no_memory_beside_each_other_both_are_tried_again_alone(
    sweep: Sweep,
) -> None:
    first, second = start(sweep), start(sweep)
    sweep.handle(first, out_of_memory(first))
    sweep.handle(second, out_of_memory(second))  # by now nothing runs beside it
    for segment in (first, second):
        trial = sweep.trials[segment.number]
        assert (trial.errors, trial.alone) == (0, True)
        again = start(sweep)
        assert again.number == segment.number
        assert sweep.next_segment() is None
        finish(sweep, again)
        assert trial.state == "complete"


def test_a_neighbour_of_an_earlier_attempt_excuses_nothing(sweep: Sweep) -> None:
    first, second = start(sweep), start(sweep)
    finish(sweep, first)
    sweep.handle(second, Outcome(step=0, interrupted=True))
    again = start(sweep)
    sweep.handle(again, out_of_memory(again))
    assert sweep.trials[again.number].errors == 1


def test_a_lack_of_memory_with_nothing_beside_it_is_an_error(sweep: Sweep) -> None:
    for expected in ("paused", "failed"):
        segment = start(sweep)
        sweep.handle(segment, out_of_memory(segment))
        assert sweep.trials[segment.number].state == expected


def ended_recording() -> RuntimeError:
    """What a CUDA graph raises on leaving, where memory was short within."""
    error = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    error.__context__ = torch.OutOfMemoryError("no room")
    return error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("no room"),
        MemoryError("no room"),
        RuntimeError("CUDA error: out of memory: no room"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED: no room"),
        ended_recording(),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def train(*_: Any, **__: Any) -> Iterator[Any]:
        raise error
        yield

    monkeypatch.setattr(trial, "train", train)
    outcome = list(trial.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert outcome.out_of_memory
    assert "no room" in outcome.error


def test_a_processor_without_memory_says_so_in_words_that_are_understood(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: Any, **__: Any) -> Iterator[Any]:
        yield torch.empty(2**60)

    monkeypatch.setattr(trial, "train", train)
    outcome = list(trial.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert outcome.out_of_memory


def test_other_errors_are_no_lack_of_memory(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any, **__: Any) -> Iterator[Any]:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        yield

    monkeypatch.setattr(trial, "train", train)
    outcome = list(trial.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert not outcome.out_of_memory
