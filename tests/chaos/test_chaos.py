"""A short run of `python -m tests.chaos`. People run the long one."""

import pytest

pytest.importorskip("ray")

from tests.chaos.__main__ import run

# Tests of clusters are two groups, because three clusters at once are too much for two cores.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


def test_a_sweep_whose_parts_are_killed_equals_an_undisturbed_one() -> None:
    assert "nothing lost" in run(rounds=2, seed=2)
