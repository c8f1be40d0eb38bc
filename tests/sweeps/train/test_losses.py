"""Every loss is a number that training can minimize."""

import pytest
import torch

from sweeps.train.losses import LOSSES


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_grows_with_the_error_and_its_gradient_points_away_from_the_target(
    name: str,
) -> None:
    target = torch.rand(2, 3, 8, 8)
    losses = []
    for error in (0.01, 0.1):
        output = (target + error).requires_grad_()
        loss = LOSSES[name](output, target)
        assert loss.shape == ()
        loss.backward()
        assert output.grad is not None
        assert (output.grad > 0).all()
        losses.append(float(loss.detach()))
    assert 0 < losses[0] < losses[1]
