"""The processor cores that this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows a container its own control group."""


def num_cores(groups: Path = GROUPS) -> int:
    """Processor cores that this process may use: a scheduler may allow fewer than there are, a container less of them."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(groups))))


def _quota(groups: Path) -> float:
    """Cores' worth of time that a container is given, by its control group of version 2 or 1; inf for no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = " ".join((groups / name).read_text() for name in names).split()
            return int(quota) / int(period) if quota not in ("max", "-1") else math.inf
    return math.inf


def threads_here(asked: int) -> int:
    """Threads of a trial on this machine: more than it has cores are slower, and OpenMP dies of millions."""
    return min(asked, num_cores())
