"""A short run of `python -m tests.chaos`; the long one is for people."""

import pytest

pytest.importorskip("ray")

from tests.chaos.__main__ import run

pytestmark = pytest.mark.slow


def test_a_sweep_whose_parts_are_killed_equals_one_that_was_left_in_peace() -> None:
    assert "nothing lost" in run(rounds=3, seed=2)
