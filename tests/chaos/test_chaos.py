"""A short run of `python -m tests.chaos`; the long one is for people."""

import pytest

pytest.importorskip("ray")

from tests.chaos.__main__ import run

# One after the other: each has machines enough of its own.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]


def test_a_sweep_whose_parts_are_killed_equals_one_that_was_left_in_peace() -> None:
    assert "nothing lost" in run(rounds=3, seed=2)
