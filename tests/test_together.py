"""Processes of a benchmark that wait for each other fail together."""

import time
from pathlib import Path

import pytest

from benchmarks.together import Job, together, wait_for_others
from sweeps.data.settings import DataSettings


def fail_or_wait(job: Job) -> None:
    """The first process to get here creates the file and fails. The other waits for it."""
    try:
        job.cache.touch(exist_ok=False)
    except FileExistsError:
        wait_for_others()
    else:
        raise ValueError("no images")


def test_a_process_that_fails_ends_the_others_at_once_with_its_own_error(tmp_path: Path) -> None:
    """Once, the others waited ten minutes for it, and then said only that they had waited."""
    job = Job(plain=True, threads=1, seconds=1, data=DataSettings(), cache=tmp_path / "failed")
    began = time.monotonic()
    with pytest.raises(ValueError, match="no images"):
        together(fail_or_wait, job, 2)
    assert time.monotonic() - began < 300
