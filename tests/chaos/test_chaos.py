"""A short run of `python -m tests.chaos`. People start the long run by hand."""

import pytest

pytest.importorskip("ray")

from tests.chaos.__main__ import run

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("submit")]


def test_a_sweep_whose_parts_are_killed_equals_an_undisturbed_one() -> None:
    assert "nothing lost" in run(rounds=2, seed=2, trials=4)
