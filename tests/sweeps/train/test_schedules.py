"""The learning rate at every step."""

from typing import Any

import pytest
from pydantic import ValidationError

from sweeps.train.optimizer import learning_rate_at
from sweeps.train.settings import TrainSettings
from tests.sweeps.train.tiny import SETTINGS, same_weights


def test_schedules_at_their_landmarks() -> None:
    def rates(schedule: str, *steps: int, **more: Any) -> list[float]:
        values = {"schedule": schedule, "steps": 1000, "learning_rate": 1.0, **more}
        settings = TrainSettings.model_validate(values)
        return [round(learning_rate_at(settings, step), 6) for step in steps]

    assert rates("constant", 0, 500, 999) == [1, 1, 1]
    assert rates("halve", 0, 199, 200, 599, halve_every=200) == [1, 1, 0.5, 0.25]
    assert rates("cosine", 0, 500, 1000) == [1, 0.5, 0]
    assert rates("one_cycle", 0, 150, 300, 650, 1000) == [0.04, 0.52, 1, 0.5, 0]
    at_rungs = rates("cosine_restarts", 0, 100, 199, 200, 600, 1000, restarts=[200])
    assert at_rungs == [1, 0.5, 0.000062, 1, 0.5, 0]
    assert rates("cosine_restarts", 0, 500, 1000, restarts=[]) == rates("cosine", 0, 500, 1000)


def test_up_to_a_rung_the_rate_is_that_of_a_short_training(run: Any) -> None:
    changes = {"schedule": "cosine_restarts", "restarts": (4,)}
    halted, _ = run(SETTINGS.model_copy(update=changes), until_step=4)
    short, _ = run(SETTINGS.model_copy(update={"schedule": "cosine", "steps": 4}), write="2.pt")
    assert same_weights(halted, short)


@pytest.mark.parametrize(
    ("restarts", "schedule", "message"),
    [
        ([4, 2], "cosine_restarts", r"increase and stay below steps \(12\), got \[4, 2\]"),
        ([4, 4], "cosine_restarts", r"increase and stay below steps"),
        ([4, 12], "cosine_restarts", r"got \[4, 12\]"),
        ([0], "cosine_restarts", r"greater than or equal to 1"),
        (
            [4],
            "cosine",
            r"only schedule: cosine_restarts takes restarts, got \[4\] with schedule: cosine",
        ),
    ],
)
def test_restarts_that_cannot_be(restarts: list[int], schedule: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate({"steps": 12, "schedule": schedule, "restarts": restarts})
