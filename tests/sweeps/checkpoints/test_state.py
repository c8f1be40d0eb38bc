"""A training state is resumed by its own training alone, also when settings have been added since it was written."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sweeps.checkpoints.state import Checkpoints, Training, newest_state, write_state
from sweeps.train.settings import TrainSettings


def training(**changes: Any) -> Training:
    values = {
        "architecture": "0123456789abcdef",
        "scale": 2,
        "seed": 3,
        "settings": TrainSettings(),
        "images": "f" * 16,
    }
    return Training(**(values | changes))


def newest(path: Path, wanted: Training | None) -> dict[str, Any] | None:
    return newest_state(Checkpoints(write=path, read=(path,), training=wanted), "cpu")


@pytest.mark.parametrize(
    "other",
    [
        {"architecture": "f" * 16},
        {"scale": 3},
        {"seed": 4},
        {"settings": TrainSettings(learning_rate=2e-3)},
        {"images": "e" * 16},
    ],
)
def test_a_state_of_another_training_is_passed_over(tmp_path: Path, other: dict[str, Any]) -> None:
    path = tmp_path / "attempt-1.pt"
    write_state({"step": 2, "training": training().stored()}, path)
    assert newest(path, training()) is not None
    assert newest(path, training(**other)) is None
    assert newest(path, None) is None


def test_a_state_may_move_to_another_device(tmp_path: Path) -> None:
    path = tmp_path / "attempt-1.pt"
    write_state({"step": 2, "training": training().stored()}, path)
    assert newest(path, training(settings=TrainSettings(device="cpu"))) is not None


def test_a_state_that_lacks_a_setting_had_its_default(tmp_path: Path) -> None:
    path = tmp_path / "attempt-1.pt"
    stored = training().stored()
    del stored["settings"]["clip_gradient"]
    write_state({"step": 2, "training": stored}, path)
    assert newest(path, training()) is not None
    assert newest(path, training(settings=TrainSettings(clip_gradient=1))) is None


class LaterSettings(TrainSettings):
    """The settings of a later srsweep, with one more field."""

    warm_up: int = 0


def test_a_setting_that_is_added_orphans_no_training_state(tmp_path: Path) -> None:
    stated, digested = tmp_path / "attempt-1.pt", tmp_path / "attempt-2.pt"
    write_state({"step": 2, "training": training().stored()}, stated)
    torch.save({"step": 2, "identity": DIGESTS[0][1]}, digested)
    for path, key in ((stated, "0123456789abcdef"), (digested, "c4f28efadda66d45")):
        assert newest(path, training(architecture=key, settings=LaterSettings())) is not None
        warm = LaterSettings(warm_up=5)
        assert newest(path, training(architecture=key, settings=warm)) is None


@pytest.mark.parametrize("settings", [{"steps": "many"}, {"unknown": 1}, 3, None])
def test_a_state_with_settings_that_nobody_knows_is_passed_over(
    tmp_path: Path, settings: object
) -> None:
    path = tmp_path / "attempt-1.pt"
    write_state({"step": 2, "training": training().stored() | {"settings": settings}}, path)
    assert newest(path, training()) is None


DIGESTS = [
    ({}, "e942c3ad96a94960"),
    ({"steps": 100, "schedule": "cosine_restarts", "restarts": (40,)}, "ba0842dac21dc61c"),
    ({"precision": "float32", "device": "cpu"}, "c498088731b0c4e6"),
]
"""Settings, and the digest that srsweep wrote for them at commit 399be07 instead of the training itself."""


@pytest.mark.parametrize(("settings", "digest"), DIGESTS)
def test_a_state_written_before_trainings_were_stored_is_still_resumed(
    tmp_path: Path, settings: dict[str, Any], digest: str
) -> None:
    path = tmp_path / "attempt-1.pt"
    torch.save({"step": 2, "identity": digest}, path)
    same = training(architecture="c4f28efadda66d45", settings=TrainSettings(**settings))
    assert newest(path, same) is not None
    assert newest(path, training(architecture="c4f28efadda66d45")) is None or settings == {}
    assert newest(path, training()) is None


def test_a_state_whose_settings_are_nested_without_end_belongs_to_no_training() -> None:
    endless: list[Any] = []
    endless.append(endless)
    settings = training().stored()["settings"] | {"loss": endless}
    assert not training().owns({"training": training().stored() | {"settings": settings}})


def test_a_state_states_a_weighted_loss_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "attempt-1.pt"
    weighted = TrainSettings.model_validate({"loss": {"l1": 1, "fft": 0.05}})
    stored = training(settings=weighted).stored()
    stored["settings"]["loss"] = {"l1": 1.0, "fft": 0.05}
    write_state({"step": 2, "training": stored}, path)
    assert newest(path, training(settings=weighted)) is not None
    assert newest(path, training()) is None


@pytest.mark.parametrize(
    "stored",
    [torch.zeros(2, 2), {1: 2, "x": 3}, {"settings": torch.zeros(2)}, {"settings": {"steps": {}}}],
    ids=["tensor", "keys", "settings", "setting"],
)
def test_a_state_that_states_a_training_of_other_types_belongs_to_no_training(stored: Any) -> None:
    """Found by `python -m tests.fuzz`: IndexError and TypeError."""
    assert not training().owns({"training": stored})
    mixed = training().stored() | {1: 2}  # type: ignore[dict-item]
    assert not training().owns({"training": mixed})
