"""Tests which records of a training belong together."""

import pytest

from sweeps.messages import reason_of
from sweeps.records import EXCUSED, Evaluation, Measurement, Outcome, Progress, together


def evaluation(step: int) -> Evaluation:
    row = Measurement(step=step, dataset="validation", name="psnr_y", value=30.0)
    return Evaluation(step=step, measurements=(row,))


def test_the_last_evaluation_comes_with_the_outcome() -> None:
    early, on_the_way, last, end = (
        evaluation(10),
        Progress(step=15, loss=0.1),
        evaluation(20),
        Outcome(step=20),
    )
    groups = list(together([early, on_the_way, last, end], until_step=20))
    assert groups == [(early,), (on_the_way,), (last, end)]


def test_an_early_end_comes_alone() -> None:
    early, end = evaluation(10), Outcome(step=10, error="no luck")
    assert list(together([early, end], until_step=20)) == [(early,), (end,)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("", ""),
        (
            "killed after 1 h\nThread 1:\n  File a, line 1",
            "killed after 1 h",
        ),
        (
            "Traceback (most recent call last):\n  File a, line 1\nValueError: odd\n",
            "ValueError: odd",
        ),
        (
            f"{EXCUSED}Traceback (most recent call last):\n  File a, line 1\nOSError: full\n",
            "OSError: full",
        ),
        (f"{EXCUSED}the worker died\nThread 1:", f"{EXCUSED}the worker died"),
    ],
)
def test_an_error_in_one_line_is_what_a_person_must_know(error: str, reason: str) -> None:
    assert reason_of(error) == reason
