"""A training may imitate a teacher: a trained network that takes part in each step without gradients."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from searchspace.architecture import architecture
from searchspace.cost import OUTPUT_SIZE, costs
from searchspace.errors import UserError
from sweeps.capacity.memory_model import Load, teacher_bytes
from sweeps.checkpoints.state import write_state
from sweeps.train.loop import TrainingFailed, time_step
from sweeps.train.optimizer import make_optimizer, set_rate
from sweeps.train.settings import TrainSettings, work_of
from sweeps.train.step import make_update
from sweeps.train.teacher import teacher_architecture, teacher_of
from tests.sweeps.train.tiny import SETTINGS, Tiny, same_weights, without_seconds

KNOBS = {"n_feats": 4, "n_blocks": 1}
CPU = torch.device("cpu")


def trained(path: Path, *, stated: bool = True, scale: int = 2) -> nn.Module:
    """A teacher whose weights are in `path`."""
    torch.manual_seed(5)
    network = architecture("edsr", KNOBS).network(scale)
    if not stated:
        torch.save(network.state_dict(), path)
        return network
    variant = {"family": "edsr", "knobs": KNOBS, "scale": scale}
    state = {"network": network.state_dict(), "step": 2, "history": [], "variant": variant}
    write_state(state, path)
    return network


def distilling(teacher: object, weight: float = 0.5, **changes: Any) -> TrainSettings:
    distill = {"teacher": teacher, "weight": weight}
    return TrainSettings.model_validate(SETTINGS.model_dump() | {"distill": distill} | changes)


def test_a_step_adds_the_weighted_loss_against_the_teacher(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    settings = distilling(str(path), precision="float32")
    teacher, network = trained(path), Tiny()
    generator = torch.Generator().manual_seed(0)
    low_res, high_res = (
        torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=generator)
        for side in (8, 16)
    )
    plain = copy.deepcopy(network)
    output = plain(low_res / 255)
    with torch.no_grad():
        taught = teacher(low_res / 255)
    expected = (output - high_res / 255).abs().mean() + 0.5 * (output - taught).abs().mean()
    expected.backward()
    optimizer = make_optimizer(network, settings)
    set_rate(optimizer, 0.0)
    found = teacher_of(settings, 2, CPU)
    assert found is not None
    update = make_update(network, optimizer, settings, None, found)
    torch.testing.assert_close(update(low_res, high_res), expected.detach())
    torch.testing.assert_close(network.head.weight.grad, plain.head.weight.grad)
    assert same_weights(found, teacher)
    assert not found.training
    assert all(parameter.grad is None for parameter in found.parameters())


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_distillation_resumes_bit_for_bit(run: Any, tmp_path: Path, ema: float | None) -> None:
    path = tmp_path / "teacher.pt"
    trained(path)
    settings = distilling(str(path), ema=ema)
    whole, expected = run(settings)
    run(settings, write="cut.pt", stop_at=8)
    resumed, records = run(settings, write="cut2.pt", read=("cut.pt",))
    assert same_weights(whole, resumed)
    assert without_seconds(records) == without_seconds(expected)
    assert not same_weights(whole, run(SETTINGS, write="plain.pt")[0])


def test_the_teacher_may_be_named_beside_weights_that_do_not_state_it(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pth"
    network = trained(path, stated=False)
    settings = distilling({"family": "edsr", "knobs": KNOBS, "weights": str(path)})
    assert teacher_architecture(settings) == architecture("edsr", KNOBS)
    state = torch.get_rng_state()
    found = teacher_of(settings, 2, CPU)
    assert found is not None
    assert same_weights(found, network)
    assert torch.equal(torch.get_rng_state(), state)
    assert teacher_of(SETTINGS, 2, CPU) is None
    with pytest.raises(
        UserError, match=r"^train\.distill\.teacher\.family: must be given, because"
    ):
        teacher_of(distilling(str(path)), 2, CPU)


def test_a_teacher_that_does_not_fit_fails_the_training_in_one_line(
    run: Any, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.pt"
    with pytest.raises(TrainingFailed, match=r"^train\.distill\.teacher\.weights: .*no such file$"):
        run(distilling(str(path)))
    trained(path, scale=4)
    told = r"^train\.distill\.teacher: .*holds weights of edsr .* at x4, not of edsr .* at x2$"
    with pytest.raises(TrainingFailed, match=told):
        run(distilling(str(path)))


@pytest.mark.parametrize(
    ("distill", "at", "told"),
    [
        ({"weight": 1}, ("distill", "teacher"), "Field required"),
        ({"teacher": "x", "weight": 0}, ("distill", "weight"), "greater than 0"),
        ({"teacher": {"family": "edsr"}}, ("distill", "teacher", "weights"), "Field required"),
        ({"teacher": {"weights": "x", "family": "edrs"}}, ("distill", "teacher"), "edsr"),
        (
            {"teacher": {"weights": "x", "family": "edsr", "knobs": {"n_feats": 0}}},
            ("distill", "teacher"),
            "edsr.n_feats: ",
        ),
        (
            {"teacher": {"weights": "x", "knobs": {"n_feats": 4}}},
            ("distill", "teacher"),
            "family must be given beside knobs, got",
        ),
        ({"teacher": 3}, ("distill", "teacher"), "valid dictionary"),
    ],
)
def test_a_distillation_that_cannot_be_is_refused(
    distill: object, at: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        TrainSettings.model_validate({"distill": distill})
    (fault,) = refused.value.errors()
    assert fault["loc"] == at


def test_the_stored_form_of_a_distillation_is_read_back() -> None:
    settings = distilling({"weights": "x", "family": "edsr", "knobs": KNOBS}, 2.0)
    assert TrainSettings.model_validate_json(settings.model_dump_json()) == settings
    assert distilling("x") == distilling({"weights": "x"})
    assert (work_of(SETTINGS), work_of(distilling("x"))[:10]) == ("", ", distill ")


def test_a_step_is_timed_with_its_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "teacher.pt"
    trained(path)
    calls: list[int] = []
    edsr = architecture("edsr", KNOBS).network(2)
    monkeypatch.setattr(
        type(edsr),
        "__call__",
        lambda self, x: calls.append(1) or nn.Module.__call__(self, x),
        raising=False,
    )
    time_step(Tiny(), 2, distilling(str(path)), steps=1)
    assert len(calls) == 2


def test_memory_holds_the_weights_of_the_teacher_and_one_pass() -> None:
    teacher = architecture("edsr", {})
    bare = Load(scale=4, batch_size=4, patch_size=16, bfloat16=False)
    assert teacher_bytes(bare) == 0
    counted = costs(teacher, 4)
    inference = counted["memory"] * 4 * 64**2 // (OUTPUT_SIZE[0] * OUTPUT_SIZE[1])
    load = replace(bare, teacher=teacher)
    assert teacher_bytes(load) == 4 * counted["params_train"] + inference
    assert teacher_bytes(replace(load, bfloat16=True)) > teacher_bytes(load)
