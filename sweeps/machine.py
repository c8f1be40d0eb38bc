"""The processor cores and the memory that this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""The folder where Linux shows a container its own control group."""


def num_cores(groups: Path = GROUPS) -> int:
    """Returns the number of processor cores that this process may use.

    A scheduler or a container may allow fewer cores than the machine has.
    """
    return max(1, math.ceil(min(len(allowed_cores()), _quota(groups))))


def allowed_cores() -> list[int]:
    """Returns the numbers of the processor cores on which the system may place this process."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return sorted(os.sched_getaffinity(0)) if has_affinity else list(range(os.cpu_count() or 1))


def _quota(groups: Path) -> float:
    """Returns the CPU quota of the container in cores, read from its control group (version 2 or 1). inf: no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = " ".join((groups / name).read_text() for name in names).split()
            return int(quota) / int(period) if quota not in ("max", "-1") else math.inf
    return math.inf


def free_memory(groups: Path = GROUPS, meminfo: Path = Path("/proc/meminfo")) -> float:
    """Returns the bytes of memory that a new process can take on this machine, or infinity if they are unknown.

    A container may have less than the machine.
    """
    free = math.inf
    with suppress(OSError, ValueError, StopIteration):
        lines = meminfo.read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free = 1024.0 * int(available.split()[1])
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # ValueError: the limit is "max"
            free = min(free, int((groups / limit).read_text()) - int((groups / used).read_text()))
    return max(0.0, free)


def threads_here(asked: int) -> int:
    """Returns the number of threads of a trial on this machine: `asked`, but at most the number of cores.

    More threads than cores are slower, and OpenMP crashes if it is asked for millions of threads.
    """
    return min(asked, num_cores())
