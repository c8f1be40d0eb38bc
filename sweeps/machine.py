"""The processor cores and the memory that this process may use."""

import ctypes
import math
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""The folder in which a container on Linux finds its own control group."""


def num_cores(groups: Path = GROUPS) -> int:
    """Returns the number of processor cores that this process may use.

    A scheduler or a container may allow fewer cores than the machine has.
    """
    return max(1, math.ceil(min(len(allowed_cores()), _quota(groups))))


def allowed_cores() -> list[int]:
    """Returns the indices of the processor cores on which the operating system may run this process."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return sorted(os.sched_getaffinity(0)) if has_affinity else list(range(os.cpu_count() or 1))


def _quota(groups: Path) -> float:
    """Returns the container's CPU quota in cores, or inf if there is no limit.

    Reads the quota from the control group, version 2 or 1.
    """
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = " ".join((groups / name).read_text() for name in names).split()
            return int(quota) / int(period) if quota not in ("max", "-1") else math.inf
    return math.inf


def free_memory(groups: Path = GROUPS, meminfo: Path = Path("/proc/meminfo")) -> float:
    """Returns the memory in bytes that is available to a new process on this machine, or infinity if it is unknown.

    A container may have less memory than the machine.
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
    """Returns the number of threads for a trial on this machine: the smaller of `asked` and the number of cores.

    A trial with more threads than cores is slower, and OpenMP crashes if millions of threads are requested.
    """
    return min(asked, num_cores())


@cache
def keep_freed_memory() -> None:
    """Makes the C library keep freed memory instead of returning it to the kernel (Linux with glibc only).

    Otherwise, the kernel maps and clears the memory of all activations anew in every training step. This took 8 % of a
    step of s-LWSR16 and 11 % of a step of s-LWSR32 (batch 16, patch 48).
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_max, 0)
