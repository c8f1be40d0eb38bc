"""A pause for a measurement counts as no training time and does not change the result."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sweeps.checkpoints.state import Checkpoints
from sweeps.data.split import DataSplit
from sweeps.engine.sweep import Sweep
from sweeps.measure import turns
from sweeps.records import Evaluation, Outcome
from sweeps.train import loop, segment
from sweeps.train.loop import train
from tests.sweeps.sweeps_for_tests import start
from tests.sweeps.train.tiny import SETTINGS, Tiny


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "runtime_folder", lambda: tmp_path / "locks")
    monkeypatch.setattr(turns, "_turns", turns._Turns())


def pause() -> None:
    """A pause of a thousand seconds."""
    turns._turns.waited += 1000.0


def test_pauses_are_no_training_time_and_change_no_weight(
    tmp_path: Path, split: DataSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for give_way in (lambda: None, pause):
        monkeypatch.setattr(loop, "give_way", give_way)
        torch.manual_seed(0)
        network = Tiny()
        checkpoints = Checkpoints(write=tmp_path / give_way.__name__ / "1.pt", read=())
        records = list(train(network, split, SETTINGS, seed=0, checkpoints=checkpoints))
        evaluations = [each for each in records if isinstance(each, Evaluation)]
        found.append((network.state_dict(), evaluations))
    (weights, plain), (paused_weights, paused) = found
    for name, value in weights.items():
        assert torch.equal(value, paused_weights[name])
    # The clock of the paused training stands a thousand seconds back for each step.
    for one, other in zip(plain, paused, strict=True):
        values, other_values = ({m.name: m.value for m in e.measurements} for e in (one, other))
        assert other_values["seconds"] < 900.0 - 1000.0 * one.step
        assert values["psnr_y"] == other_values["psnr_y"]


def test_a_segment_holds_its_turn_while_it_computes_and_none_between_its_records(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def watched(*args: Any, **options: Any) -> Iterator[Any]:
        held.append(turns._turns.busy.held)
        yield Evaluation(step=4, measurements=())
        held.append(turns._turns.busy.held)

    monkeypatch.setattr(segment, "train", watched)
    records = []
    for record in segment.run(start(sweep)):
        records.append(record)
        assert not turns._turns.busy.held
    assert held == [True, True]
    assert isinstance(records[-1], Outcome)
    assert not records[-1].error
    assert not turns._turns.depth


def test_a_pause_is_no_part_of_an_attempts_seconds(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paused(*args: Any, **options: Any) -> Iterator[Any]:
        pause()
        yield Evaluation(step=4, measurements=())

    monkeypatch.setattr(segment, "train", paused)
    outcome = list(segment.run(start(sweep)))[-1]
    assert isinstance(outcome, Outcome)
    assert outcome.seconds < 0
