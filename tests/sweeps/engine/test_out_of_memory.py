from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from searchspace.architecture import Architecture
from sweeps.capacity.gpu_share import Share
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.store.store import Store
from sweeps.train import segment as segments
from sweeps.train.segment import Segment
from tests.sweeps.sweeps_for_tests import small_config, start


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
    """Returns the error that a CUDA graph raises at its end if memory ran out while it was recorded."""
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

    monkeypatch.setattr(segments, "train", train)
    outcome = list(segments.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert outcome.out_of_memory
    assert "no room" in outcome.error


def test_a_processor_without_memory_says_so_in_words_that_are_understood(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: Any, **__: Any) -> Iterator[Any]:
        yield torch.empty(2**60)

    monkeypatch.setattr(segments, "train", train)
    outcome = list(segments.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert outcome.out_of_memory


def test_other_errors_are_no_lack_of_memory(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any, **__: Any) -> Iterator[Any]:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        yield

    monkeypatch.setattr(segments, "train", train)
    outcome = list(segments.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert not outcome.out_of_memory


def room_for(*known: Architecture) -> Share:
    """A share with enough memory for these networks only."""

    class Narrow(Share):
        def has_room_for(self, architecture: Architecture) -> bool:
            return architecture in known

    return Narrow(gpu=0.5)


def test_a_network_that_is_predicted_to_need_more_than_its_share_waits_to_be_alone(
    sweep: Sweep,
) -> None:
    first = start(sweep)
    sweep.reserve(room_for(sweep.trials[0].architecture))
    assert sweep.next_segment() is None  # the second is stored, and waits
    assert (sweep.trials[1].alone, sweep.trials[1].state) == (True, "paused")
    assert sweep.next_segment() is None
    assert not sweep.done
    finish(sweep, first)
    second = start(sweep)
    assert (second.number, second.attempt) == (1, 1)
    assert sweep.next_segment() is None  # nothing beside it
    finish(sweep, second)
    assert start(sweep).number == 2


def test_networks_within_their_share_run_beside_each_other(sweep: Sweep) -> None:
    sweep.reserve(room_for(*sweep.config.space.architectures))
    assert {start(sweep).number for _ in range(3)} == {0, 1, 2}


def test_a_stored_trial_that_needs_more_than_its_share_is_alone_after_a_restart(
    sweep: Sweep,
) -> None:
    segment = start(sweep)
    sweep.handle(segment, Outcome(step=0, interrupted=True))
    sweep.reserve(room_for())
    assert sweep.trials[segment.number].alone
    assert start(sweep).number == segment.number
    assert sweep.next_segment() is None


def test_a_trial_that_never_got_to_be_alone_is_closed_as_interrupted(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    store = Store(config.storage)
    opened = Sweep(config, store, holder="test")
    start(opened)
    opened.reserve(room_for(opened.trials[0].architecture))
    assert opened.next_segment() is None
    opened.close()
    rows = store.trials(opened.id)
    assert [(row.state, row.attempts, row.errors) for row in rows] == [("paused", 1, 0)] * 2
    again = Sweep(config, store, holder="test")
    assert {start(again).attempt for _ in range(2)} == {2}
    again.close()
    store.close()
