"""A loss that is not finite or has diverged ends the training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sweeps.checkpoints.state import read_checkpoint
from sweeps.train.loop import TrainingFailed
from tests.sweeps.train.tiny import SETTINGS, Tiny


def test_a_loss_that_is_not_finite_ends_the_training_with_a_reason(run: Any) -> None:
    network = Tiny()
    network.factor = float("nan")
    with pytest.raises(TrainingFailed, match=r"loss is nan at step 4; try a lower learning_rate"):
        run(network=network)


def test_a_loss_that_diverges_ends_the_training_with_a_reason(run: Any) -> None:
    class Diverging(Tiny):
        def forward(self, x: Tensor) -> Tensor:
            self.factor *= 2.5 if self.training else 1.0
            return super().forward(x)

    with pytest.raises(
        TrainingFailed, match=r"has diverged to .* at step \d+ from .*clip_gradient"
    ):
        run(network=Diverging())


def test_a_loss_that_diverges_after_a_resume_is_held_against_the_one_before(run: Any) -> None:
    run(stop_at=8)
    broken = Tiny()
    broken.factor = 1e5
    with pytest.raises(TrainingFailed, match=r"has diverged to .* at step 12 from 0\."):
        run(network=broken, read=("1.pt",), write="2.pt")


def test_a_loss_is_held_against_the_best_one_between_evaluations_after_a_resume_too(
    run: Any, tmp_path: Path
) -> None:
    class Worsening(Tiny):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            self.factor = float(self.calls <= 100)
            return super().forward(x)

    settings = SETTINGS.model_copy(update={"steps": 250, "evaluate_every": 200})
    _, records = run(settings, network=Worsening())
    resumed = Worsening()
    resumed.calls = 200
    run(settings, network=Worsening(), write="2.pt", stop_at=200)
    run(settings, network=resumed, write="3.pt", read=("2.pt",))
    whole, parts = (read_checkpoint(tmp_path / "run" / name) for name in ("1.pt", "3.pt"))
    assert whole is not None
    assert parts is not None
    assert parts["best"] == whole["best"] == records[0].loss
    losses = [m.value for each in records[1:] for m in each.measurements if m.name == "loss"]
    assert whole["best"] < min(losses)


def test_a_checkpoint_without_the_best_loss_goes_by_its_evaluations(
    run: Any, tmp_path: Path
) -> None:
    _, records = run(stop_at=8)
    path = tmp_path / "run" / "1.pt"
    state = read_checkpoint(path)
    assert state is not None
    del state["best"]
    torch.save(state, path)
    broken = Tiny()
    broken.factor = 1e5
    best = min(m.value for each in records for m in each.measurements if m.name == "loss")
    with pytest.raises(TrainingFailed, match=rf"has diverged to .* at step 12 from {best:.3g};"):
        run(network=broken, read=("1.pt",), write="2.pt")
