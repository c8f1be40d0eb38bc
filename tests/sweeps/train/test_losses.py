"""Every loss is a number that training can minimize."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from sweeps.train.losses import LOSSES, loss_of
from sweeps.train.settings import TrainSettings


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_grows_with_the_error_and_its_gradient_points_away_from_the_target(
    name: str,
) -> None:
    target = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    losses = []
    for error in (0.01, 0.1):
        output = (target + error).requires_grad_()
        loss = loss_of(name)(output, target)
        assert loss.shape == ()
        loss.backward()
        assert output.grad is not None
        # Only the mean of the spectrum differs, so rounding decides the other signs of fft.
        assert (output.grad if name != "fft" else output.grad.mean((2, 3))).gt(0).all()
        losses.append(float(loss.detach()))
    assert 0 < losses[0] < losses[1]


def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    super_res, high_res = (torch.rand((2, 3, 6, 5), generator=generator) for _ in range(2))
    return super_res, high_res


def plain(name: str, super_res: torch.Tensor, high_res: torch.Tensor) -> torch.Tensor:
    """The loss as its definition reads."""
    difference = super_res - high_res
    if name == "fft":
        spectra = [torch.fft.rfft2(image) for image in (super_res, high_res)]
        parts = [torch.stack([spectrum.real, spectrum.imag], -1) for spectrum in spectra]
        return (parts[0] - parts[1]).abs().mean()
    if name == "charbonnier":
        return (difference**2 + 0.001**2).sqrt().mean()
    return difference.abs().mean() if name == "l1" else (difference**2).mean()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_is_what_its_definition_says_in_each_memory_layout(
    name: str, layout: torch.memory_format
) -> None:
    super_res, high_res = (image.contiguous(memory_format=layout) for image in images())
    found = loss_of(name)(super_res, high_res)
    torch.testing.assert_close(found, plain(name, super_res, high_res))


def test_a_mapping_is_the_weighted_sum_of_its_losses() -> None:
    settings = TrainSettings.model_validate({"loss": {"l1": "1", "fft": 0.05}})
    expected = plain("l1", *images()) + 0.05 * plain("fft", *images())
    torch.testing.assert_close(loss_of(settings.loss)(*images()), expected)


def test_two_spellings_of_one_loss_are_one_setting() -> None:
    assert TrainSettings.model_validate({"loss": {"l1": 1.0}}) == TrainSettings()
    one, other = (
        TrainSettings.model_validate({"loss": loss}).model_dump_json()
        for loss in ({"l1": 1, "fft": 0.05}, {"fft": 0.05, "l1": 1.0})
    )
    assert one == other
    assert TrainSettings.model_validate_json(one).model_dump_json() == one


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        ("l2", r"must be one of charbonnier, fft, l1, mse, got 'l2'"),
        ({"l1": 1, "ssim": 1}, r"must be one of .*got 'ssim'"),
        ({"l1": 0}, "the weight of l1 must be above 0 and at most 1,000,000, got 0"),
        ({"l1": True}, "the weight of l1 must be a number .*got True"),
        ({}, r"mapping from such names to weights.*got \{\}"),
        (["l1"], r"mapping from such names to weights.*got \['l1'\]"),
        (3, "mapping from such names to weights.*got 3"),
    ],
)
def test_a_loss_that_nobody_knows_is_refused_in_one_line(loss: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        TrainSettings.model_validate({"loss": loss})
    (fault,) = refused.value.errors()
    assert fault["loc"] == ("loss",)
