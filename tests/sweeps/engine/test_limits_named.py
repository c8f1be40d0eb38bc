"""A sweep that a limit has ended before it had all its trials says which limit."""

from pathlib import Path

import pytest

from sweeps.run import run_sweep
from tests.sweeps.sweeps_for_tests import small_config


@pytest.mark.parametrize(
    ("limit", "why", "trials"),
    [
        ({"steps": 6}, "search.steps is used up", 1),
        ({"hours": 1e-9}, "search.hours is used up", 1),
        ({"trials": 1, "steps": 6}, "", 1),
    ],
)
def test_the_limit_that_ended_a_sweep_is_named(
    tmp_path: Path, limit: dict[str, float], why: str, trials: int
) -> None:
    config = small_config(tmp_path, search={"sampler": "grid", "trials": 3} | limit)
    sweep = run_sweep(config)
    assert len(sweep.trials) == trials
    assert sweep.why_ended == why
