"""Patches may have another size in each stage of a training."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from sweeps.data.patches import PatchSampler
from sweeps.data.split import DataSplit
from sweeps.train.cuda_graph import ResidentSteps
from sweeps.train.optimizer import make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_step
from tests.sweeps.train.tiny import SETTINGS, Tiny, same_weights, without_seconds


def staged(*stages: dict[str, Any], **changes: Any) -> TrainSettings:
    values = SETTINGS.model_dump(exclude={"patch_size"}) | {"patch_stages": stages} | changes
    return TrainSettings.model_validate(values)


TWO = staged({"until": 0.5, "size": 4}, {"size": 8})


def test_a_stage_ends_at_its_share_of_the_steps() -> None:
    three = staged({"until": 0.25, "size": 4}, {"until": "0.5", "size": 12}, {"size": "8"})
    assert [three.patch_size_at(step) for step in range(12)] == [4] * 3 + [12] * 3 + [8] * 6
    assert three.patch_size == 12
    assert three.mean_patch_area == 4**2 / 4 + 12**2 / 4 + 8**2 / 2
    assert SETTINGS.mean_patch_area == SETTINGS.patch_size_at(0) ** 2 == 64


def test_the_stored_form_of_stages_is_read_back() -> None:
    assert TrainSettings.model_validate(TWO.model_dump()) == TWO
    assert TrainSettings.model_validate_json(TWO.model_dump_json()) == TWO


@pytest.mark.parametrize(
    ("values", "told", "at"),
    [
        ({"patch_stages": [{"size": 4, "until": 0.5}]}, r"end at 1, .*got \[0\.5\]", 1),
        ({"patch_stages": [{"size": 4}, {"size": 8}]}, r"must increase .*got \[1\.0, 1\.0\]", 1),
        ({"patch_stages": [], "patch_size": 8}, "at least one stage, got none", 1),
        ({"patch_stages": [{"size": 2}]}, "greater than or equal to 4", 3),
        ({"patch_stages": [{"size": 4, "end": 1}]}, "Extra inputs", 3),
        ({"patch_stages": [{"until": 1}]}, "Field required", 3),
        ({"patch_stages": 8}, "valid tuple", 1),
        (
            {"patch_stages": [{"size": 4, "until": 0.01}, {"size": 8}], "steps": 20},
            r"each stage must last at least one of 20 steps, got \[0\.01, 1\.0\]",
            1,
        ),
        (
            {"patch_stages": [{"size": 4}], "patch_size": 8},
            "patch_size must be their largest size, 4, or be left out, got 8",
            1,
        ),
    ],
)
def test_stages_that_cannot_be_are_refused(values: dict[str, Any], told: str, at: int) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        TrainSettings.model_validate(values)
    (fault,) = refused.value.errors()
    assert (fault["loc"][0], len(fault["loc"])) == ("patch_stages", at)


def test_the_patches_of_a_stage_are_functions_of_seed_and_step(split: DataSplit) -> None:
    network = Tiny()
    sampler = PatchSampler(split.train, TWO.patch_size, TWO.batch_size, seed=3)
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    take = make_step(network, make_optimizer(network), TWO, sampler, lambda step: 1e-3)
    for step in range(4, 8):
        take(step)
    for image, step in zip(seen, range(4, 8), strict=True):
        size = 4 if step < 6 else 8
        expected, _ = PatchSampler(split.train, size, TWO.batch_size, seed=3).batch(step)
        torch.testing.assert_close(image, expected.float() / 255)


@pytest.mark.parametrize("stop_at", [4, 8])
def test_a_training_with_stages_resumes_bit_for_bit(run: Any, stop_at: int) -> None:
    whole, expected = run(TWO)
    assert not same_weights(whole, run(write="2.pt")[0])
    run(TWO, write="cut.pt", stop_at=stop_at)
    resumed, records = run(TWO, write="cut2.pt", read=("cut.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)


def test_steps_on_the_device_follow_the_stages(
    split: DataSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resident(update: Any, optimizer: Any, sampler: PatchSampler, rate: Any) -> ResidentSteps:
        return ResidentSteps(update, optimizer, sampler, rate, torch.device("cpu"))

    def losses() -> list[float]:
        network = Tiny()
        sampler = PatchSampler(split.train, TWO.patch_size, TWO.batch_size, seed=3)
        take = make_step(network, make_optimizer(network), TWO, sampler, lambda step: 1e-3)
        return [float(take(step)) for step in range(12)]

    by_host = losses()
    monkeypatch.setattr(
        "sweeps.train.step._make_step", lambda network, *rest: resident(rest[1], rest[0], *rest[2:])
    )
    assert losses() == pytest.approx(by_host, rel=1e-4)
