"""The settings of a training besides its length: optimizer, warm-up and averaged weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from searchspace.architecture import architecture
from sweeps.checkpoints.state import read_checkpoint, write_state
from sweeps.train.average import Average
from sweeps.train.loop import TrainingFailed
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from tests.sweeps.train.tiny import SETTINGS, Tiny, flat, same_weights, without_seconds


def with_settings(**changes: Any) -> TrainSettings:
    return TrainSettings.model_validate(SETTINGS.model_dump() | changes)


ALL = with_settings(
    loss={"charbonnier": 1, "fft": 0.05},
    schedule="cosine",
    warmup=3,
    optimizer="adamw",
    betas=[0.9, 0.99],
    weight_decay=0.1,
    ema=0.9,
)


@pytest.mark.parametrize(
    ("changes", "kind", "betas", "decay"),
    [
        ({}, torch.optim.Adam, (0.9, 0.999), 0),
        ({"weight_decay": 0.1, "betas": [0.5, 0.9]}, torch.optim.Adam, (0.5, 0.9), 0.1),
        ({"optimizer": "adamw"}, torch.optim.AdamW, (0.9, 0.999), 0.01),
        ({"optimizer": "adamw", "weight_decay": 0}, torch.optim.AdamW, (0.9, 0.999), 0),
    ],
)
def test_the_settings_make_the_optimizer_that_they_name(
    changes: dict[str, Any], kind: type, betas: tuple[float, float], decay: float
) -> None:
    optimizer = make_optimizer(Tiny(), with_settings(**changes))
    (group,) = optimizer.param_groups
    assert (type(optimizer), group["betas"], group["weight_decay"]) == (kind, betas, decay)


def test_adamw_shrinks_weights_that_have_no_gradient() -> None:
    network = Tiny()
    optimizer = make_optimizer(network, with_settings(optimizer="adamw", weight_decay=0.5))
    before = network.head.weight.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.step()
    torch.testing.assert_close(network.head.weight.detach(), 0.95 * before)


def test_a_warm_up_multiplies_the_schedule_by_a_rising_factor() -> None:
    plain, warm = (with_settings(schedule="cosine", warmup=steps) for steps in (0, 4))
    shares = [learning_rate_at(warm, s) / learning_rate_at(plain, s) for s in range(7)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"warmup": 3}, r"must be 0 with schedule: one_cycle, .*got 3; choose another schedule"),
        ({"warmup": 12, "schedule": "cosine"}, r"must be below steps \(12\), got 12"),
        ({"optimizer": "sgd"}, "must be one of adam, adamw"),
        ({"betas": [0.9, 1]}, "less than 1"),
        ({"ema": 1}, "less than 1"),
        ({"weight_decay": -1}, "greater than or equal to 0"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        with_settings(**changes)
    assert refused.value.errors()[0]["loc"][0] == next(iter(changes))


def test_an_average_is_the_recursion_of_its_definition() -> None:
    network = Tiny()
    average, expected = Average(network, decay=0.3), flat(network)
    for step in range(5):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(step + 1)
        average.update()
        kept = min(0.3, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * flat(network)
    torch.testing.assert_close(flat(average.network), expected)
    # The ramp ends at step 3, so the test covers both values.
    assert (1 + 2) / (10 + 2) < 0.3 < (1 + 4) / (10 + 4)


def test_an_average_takes_a_shared_weight_once_and_copies_whole_numbers() -> None:
    layer = nn.BatchNorm2d(1)
    network = nn.ModuleList([layer, layer])
    average = Average(network, decay=0.5)
    with torch.no_grad():
        layer.weight.fill_(11)
        layer.num_batches_tracked.fill_(7)
    average.update()
    state = average.network.state_dict()
    assert state["0.weight"] is not network.state_dict()["0.weight"]
    assert float(state["0.weight"]) == pytest.approx(0.1 * 1 + 0.9 * 11)
    assert int(state["0.num_batches_tracked"]) == 7
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_an_average_does_not_change_what_is_trained(run: Any, tmp_path: Any) -> None:
    plain, records = run(stop_at=8)
    averaged, others = run(with_settings(ema=0.9), write="2.pt", stop_at=8)
    assert same_weights(plain, averaged)
    losses, psnrs = (
        [[v for _, n, v in without_seconds(each) if n == name] for each in (records, others)]
        for name in ("loss", "psnr_y")
    )
    assert losses[0] == losses[1]
    assert psnrs[0] != psnrs[1]
    state = read_checkpoint(tmp_path / "run" / "2.pt")
    assert state is not None
    assert torch.equal(state["raw"]["head.weight"], averaged.state_dict()["head.weight"])
    assert not torch.equal(state["network"]["head.weight"], state["raw"]["head.weight"])


def test_a_finished_training_leaves_the_averaged_weights(run: Any, tmp_path: Any) -> None:
    network, _ = run(ALL)
    state = read_checkpoint(tmp_path / "run" / "1.pt")
    assert state is not None
    assert "raw" not in state
    assert torch.equal(state["network"]["head.weight"], network.state_dict()["head.weight"])
    again, _ = run(ALL, write="2.pt", read=("1.pt",))
    assert same_weights(network, again)


@pytest.mark.parametrize("stop_at", [4, 8])
def test_a_training_with_all_settings_resumes_bit_for_bit(run: Any, stop_at: int) -> None:
    whole, expected = run(ALL)
    run(ALL, write="cut.pt", stop_at=stop_at)
    resumed, records = run(ALL, write="cut2.pt", read=("cut.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)


def test_without_averaged_weights_a_state_has_no_others(run: Any, tmp_path: Any) -> None:
    run(stop_at=4)
    state = read_checkpoint(tmp_path / "run" / "1.pt")
    assert state is not None
    assert "raw" not in state


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (None, "raw: must not be missing before the last step"),
        ({"head.weight": torch.zeros(2)}, "raw: has other tensors"),
        ("text", "raw: Input should be a valid dictionary"),
    ],
)
def test_a_state_without_the_weights_that_training_continues_with_is_passed_over(
    run: Any, tmp_path: Any, caplog: pytest.LogCaptureFixture, raw: object, told: str
) -> None:
    settings = with_settings(ema=0.9)
    whole, _ = run(settings, write="whole.pt")
    run(settings, stop_at=8)
    path = tmp_path / "run" / "1.pt"
    state = read_checkpoint(path)
    assert state is not None
    write_state(state | {"raw": raw}, path)
    again, _ = run(settings, write="2.pt", read=("1.pt",))
    assert told in caplog.text
    assert same_weights(whole, again)


def small(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return architecture("edsr", {"n_feats": 4, "n_blocks": 1}).network(2)


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_training_starts_from_the_weights_of_a_file_once(
    run: Any, tmp_path: Path, ema: float | None
) -> None:
    path = tmp_path / "start.pt"
    torch.save(small(1).state_dict(), path)
    settings = with_settings(warm_start=str(path), ema=ema)
    whole, expected = run(settings, network=small(2))
    assert same_weights(whole, run(settings, network=small(3), write="2.pt")[0])
    assert not same_weights(whole, run(with_settings(ema=ema), network=small(2), write="3.pt")[0])
    run(settings, network=small(2), write="cut.pt", stop_at=4)
    # A training that has begun no longer needs the file.
    path.unlink()
    resumed, records = run(settings, network=small(4), write="5.pt", read=("cut.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)
    with pytest.raises(TrainingFailed, match=r"^train\.warm_start: .*start\.pt: no such file$"):
        run(settings, network=small(2), write="6.pt")
