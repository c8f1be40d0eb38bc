"""What a machine has, as a container or a scheduler leaves it, and what a sweep file may ask of it."""

import math
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sweeps.capacity.settings import ResourceSettings
from sweeps.machine import num_cores


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 cores, all of which this process may run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)


@pytest.mark.usefixtures("sixteen")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 16),
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 16),
        ({"cpu.max": "nonsense"}, 16),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    ],
)
def test_a_containers_share_of_the_cores_counts(
    tmp_path: Path, files: dict[str, str], cores: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert num_cores(tmp_path) == cores


@pytest.mark.parametrize("field", ["concurrent", "hours_per_attempt"])
@pytest.mark.parametrize("value", [0, 1e6, math.inf])
def test_what_no_machine_can_do_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        ResourceSettings(**{field: value})
